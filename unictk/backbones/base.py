"""The protocol between methods and backbones: the only thing a method knows of a model.

A :class:`Layout` has no weights, is picklable, and lives in loader workers and in checks. A
:class:`Backbone` holds the weights. No method asks which backbone it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from torch import Tensor, nn

from unictk.samples import Batch, Counts, GeneratedImage, Image, Loss, Request, Sample, Vectors

if TYPE_CHECKING:
    from unictk.concepts.tokens import ConceptTokens


@dataclass(frozen=True, slots=True)
class RowShape:
    """What one concept token needs: an input row of ``hidden`` floats, a head row, and maybe a head bias."""

    hidden: int
    head_bias: bool


@dataclass(slots=True)
class Rows:
    """Concept rows as plain tensors: ``input`` (n, hidden), ``head`` (n, hidden), ``bias`` (n,) or None."""

    input: Tensor
    head: Tensor
    bias: Tensor | None

    def __len__(self) -> int:
        return len(self.input)


@runtime_checkable
class Layout(Protocol):
    """Turns samples into tensors. No weights; every random draw comes from ``sample.seed``."""

    image_size: int

    def collate(self, samples: Sequence[Sample]) -> Batch:
        """A batch of the samples; ``window`` equals ``counts`` until the loader sets it."""
        ...

    def counts(self, sample: Sample) -> Counts:
        """Targets that ``collate`` would give this sample, without reading any picture."""
        ...

    def length(self, sample: Sample) -> int:
        """Positions the sample needs."""
        ...

    def supports(self, sample: Sample) -> str | None:
        """None, or the reason this sample cannot be laid out, with length and limit."""
        ...


@runtime_checkable
class WritesTokenizer(Protocol):
    """A backbone whose image tokenizer has a file of its own."""

    def write_image_tokenizer(self, folder: Path) -> Path:
        """Write it, unless it is there, into ``folder``, which ``backbone.image_weights`` can then name."""
        ...


@runtime_checkable
class LeavesUnread(Protocol):
    """A backbone that can be set so that nothing reaches some of its parts."""

    def unread(self) -> Mapping[str, str]:
        """Names of such parts, each with the setting that leaves it unread; they never train."""
        ...


@runtime_checkable
class Backbone(Protocol):
    """A unified model: reads and draws. Also an ``nn.Module``."""

    layout: Layout
    row_shape: RowShape

    @property
    def concepts(self) -> Sequence[ConceptTokens]:
        """The attached concepts, in order."""
        ...

    def loss(self, batch: Batch) -> Loss:
        """Summed cross entropies of text and image targets (fp32) with their counts."""
        ...

    def generate_text(self, requests: Sequence[Request]) -> list[str]:
        """An answer per request. Each equals what the request alone would give."""
        ...

    def generate_images(self, requests: Sequence[Request]) -> list[GeneratedImage]:
        """A picture per request. Each equals what the request alone would give."""
        ...

    def choose(self, requests: Sequence[Request], options: Sequence[str]) -> Tensor:
        """Log P(option and end of answer), (requests, options).

        Equals ``-loss.text_sum`` of the answered request, in the same precision.
        """
        ...

    def vectors(self, images: Sequence[Image]) -> Vectors:
        """The pictures' cells in the language model's input space."""
        ...

    def words(self, text: str) -> Tensor:
        """Input vectors of the text's pieces, (pieces, hidden)."""
        ...

    def drafts(self, requests: Sequence[Request], n: int) -> list[list[GeneratedImage]]:
        """Per request, n pictures from coarse to final; the last equals ``generate_images``."""
        ...

    def reconstruct(self, images: Sequence[Image]) -> list[GeneratedImage]:
        """Each picture through the tokenizer or autoencoder and back: the best that could be drawn of it."""
        ...

    def prepare(self, images: Sequence[Image]) -> None:
        """Compute once what training on these pictures needs again and again (codes, latents)."""
        ...

    def attach(self, concepts: Sequence[ConceptTokens]) -> None:
        """Make the concepts' token strings understood; replaces those attached before."""
        ...

    def fresh_rows(self, count: int, first: int = 0, head: str = "text") -> Rows:
        """Starting values for ``count`` new rows, the ``first`` of which follows ``first`` existing ones.

        ``head="text"``: head rows are the mean text head row with the lowest text bias, input rows the
        mean text input row. ``head="codes"``: as the published vocabulary growth leaves them, copies of
        the rows of image codes first, first+1, ...
        """
        ...

    def write_weights(self, folder: Path) -> Path:
        """Write all that training may change, whole or not at all, in the published layout.

        Into a folder of the backbone's own below ``folder``, which is returned: a later run can start from
        it. The image tokenizer is written only where the published layout has it in the same folder.
        """
        ...

    def read_weights(self, folder: Path) -> None:
        """Take what :meth:`write_weights` wrote below ``folder``, frozen and ready to be asked.

        Raises:
            WeightsError: nothing is there, or it is of another network.
        """
        ...

    def parts(self) -> Mapping[str, nn.Module]:
        """Named parts: tables, language, vision, connector, generation head, tokenizer (those it has)."""
        ...

    def blocks(self) -> Sequence[nn.Module]:
        """Units to shard, checkpoint and compile."""
        ...
