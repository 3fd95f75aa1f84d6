"""What stands beside the weights in a folder of Janus: tokenizer, processor, settings of ``generate``."""

from __future__ import annotations

from pathlib import Path

from transformers import GenerationConfig
from transformers.models.janus.image_processing_pil_janus import JanusImageProcessorPil
from transformers.models.janus.processing_janus import JanusProcessor

from unictk.backbones.janus.layout import JanusLayout
from unictk.backbones.janus.shelf import LEAST
from unictk.backbones.janus.vocabulary import ASSISTANT, END, IMAGE, USER

CONVERSATION = (
    "{%- for message in messages -%}"
    f"{{%- set mine = message['role'] == 'assistant' -%}}{{{{ '{ASSISTANT}: ' if mine else '{USER}: ' }}}}"
    "{%- for part in message['content'] -%}"
    "{%- if part['type'] == 'image' -%}"
    f"{{{{ ('' if loop.first else '\\n') + '{IMAGE}' + ('' if loop.last else '\\n') }}}}"
    "{%- else -%}{{ part['text'] | trim }}{%- endif -%}"
    "{%- endfor -%}"
    f"{{{{ '{END}' if mine else '\\n\\n' }}}}"
    "{%- endfor -%}"
    f"{{{{ '{ASSISTANT}:' if add_generation_prompt else '' }}}}"
)
"""The conversations of :mod:`unictk.backbones.janus.template`, for transformers; a loaded one is kept."""


def write_processor(folder: Path, layout: JanusLayout) -> None:
    """Write what ``AutoProcessor`` and ``generate`` read from a folder of weights."""
    folder.mkdir(parents=True, exist_ok=True)
    words, vocabulary = layout.codec.tokenizer, layout.vocabulary
    side = {"height": layout.image_size, "width": layout.image_size}
    pictures = JanusImageProcessorPil(
        size=side, min_size=LEAST, image_mean=[0.5, 0.5, 0.5], image_std=[0.5, 0.5, 0.5]
    )
    processor = JanusProcessor(
        pictures,
        words,
        chat_template=words.chat_template or CONVERSATION,
        use_default_system_prompt=bool(layout.template.system),
        num_image_tokens=layout.cells,
    )
    processor.save_pretrained(folder)
    settings = GenerationConfig(
        bos_token_id=vocabulary.begin,
        eos_token_id=vocabulary.end,
        pad_token_id=vocabulary.pad,
        generation_kwargs={"boi_token_id": vocabulary.start_of_image},
    )
    settings.save_pretrained(folder)
