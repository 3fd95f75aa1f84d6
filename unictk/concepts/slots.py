"""Many known concepts, a few at a time: slots whose rows are looked up in one table.

Pretraining shows the model personal tokens of hundreds of characters. Attaching all of them would put
thousands of classes into every softmax; instead a few slots are attached for good and each step seats
other characters in them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from unictk.backbones.base import Rows, RowShape
from unictk.concepts.tokens import GROUPS, ConceptTokens, checked_sizes


class Slot(ConceptTokens):
    """A concept whose rows belong to whoever is seated; its head rows never win and do not train."""

    def __init__(self, name: str, shape: RowShape, sizes: Mapping[str, int]) -> None:
        super().__init__(name, shape)
        self._sizes = checked_sizes(sizes)
        self.seated: Rows | None = None

    @property
    def groups(self) -> dict[str, int]:
        """Rows per group, in row order."""
        return dict(self._sizes)

    def rows(self) -> Rows:
        """The rows of the seated character.

        Raises:
            RuntimeError: nobody is seated.
        """
        if self.seated is None:
            raise RuntimeError(f"{self}: no character is seated in this slot")
        return self.seated


class KnownConcepts(nn.Module):
    """Input rows of ``count`` concepts, (count, rows, hidden), and the slots that show some of them.

    Args:
        count: how many concepts are known.
        slots: how many are seated at a time.
        sizes: rows per group of each.
        shape: what the backbone needs of a row.
        head: head rows and biases of every slot, as the backbone's ``fresh_rows`` gives them.
        spread: standard deviation of the first values.
        seed: of the first values.
    """

    def __init__(
        self,
        count: int,
        slots: int,
        sizes: Mapping[str, int],
        shape: RowShape,
        head: Rows,
        spread: float = 0.02,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.sizes = {group: sizes[group] for group in GROUPS if sizes.get(group)}
        total = sum(self.sizes.values())
        if len(head) != total:
            raise ValueError(f"{len(head)} head rows for {total} rows a concept")
        chance = torch.Generator().manual_seed(seed)
        self.table = nn.Parameter(torch.randn(count, total, shape.hidden, generator=chance) * spread)
        self.register_buffer("head", head.head.clone(), persistent=False)
        self.register_buffer("bias", None if head.bias is None else head.bias.clone(), persistent=False)
        self.slots = [Slot(f"c{number}", shape, self.sizes) for number in range(slots)]

    @torch.no_grad()
    def begin_with(self, values: Tensor) -> None:
        """The first characters' rows from ``values`` (some, rows, hidden), the others' from their mean."""
        found = values[: len(self.table)]
        self.table[len(found) :] = found.mean(0)
        self.table[: len(found)] = found

    def seat(self, who: Sequence[int]) -> None:
        """Put concept ``who[i]`` into slot i; its rows then get the gradients."""
        head: Tensor = self.get_buffer("head")
        bias = self.bias if isinstance(self.bias, Tensor) else None
        for slot, number in zip(self.slots, who, strict=True):
            slot.seated = Rows(self.table[number], head, bias)

    def mean_rows(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation over concepts, each (rows, hidden): where a new concept may start."""
        return self.table.detach().mean(0), self.table.detach().std(0)
