"""The conversation as a page in the browser, on this machine only.

gradio is imported late and told beforehand to send nothing: neither analytics nor a look for newer versions.
The page loads no font or script from elsewhere.
"""

from __future__ import annotations

import errno
import html
import os
import socket
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from unictk.conversation.commands import Commands
from unictk.errors import UserError

if TYPE_CHECKING:
    from gradio import Blocks

HOST = "127.0.0.1"
ONE_AT_A_TIME: dict[str, Any] = {"concurrency_limit": 1, "concurrency_id": "model", "api_name": False}
"""All that asks the model waits in one line: it serves one question at a time."""

BUTTONS = ("download", "fullscreen")
"""Of a picture; not the one that shares it."""

STYLE = """
button[aria-label="Share"], button[title="Share"] { display: none; }
#conversation .message img { width: 14rem; }
#conversation .message img, #drawn img, #picture img {
    object-fit: contain !important;
    image-rendering: pixelated;
}
"""
"""No sharing, which one button of Chatbot cannot be told; and small pictures are enlarged cell by cell."""

Message = dict[str, Any]


def check_page(port: int) -> None:
    """Whether the page can be had, told before a model is loaded.

    Raises:
        UserError: gradio is not installed, or the port is taken.
    """
    if find_spec("gradio") is None:
        raise UserError("task.page: gradio is not installed; pip install 'unictk[chat]'")
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind((HOST, port))
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"cannot be had ({error.strerror})"
            raise UserError(f"task.port: {port} {why}; another one, for example {port + 1}?") from error


def serve(commands: Commands, port: int) -> None:
    """Show the page until Ctrl-C."""
    with tempfile.TemporaryDirectory(prefix="unictk-page-") as uploads:
        blocks = launch(commands, port, uploads)
        print(f"http://{HOST}:{port} (Ctrl-C ends it)", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()
        finally:
            blocks.close(verbose=False)


def launch(commands: Commands, port: int, uploads: str) -> Blocks:
    """Start serving in a thread and return; ``uploads`` is a folder for what the browser sends."""
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ["GRADIO_TEMP_DIR"] = uploads
    import gradio

    blocks = Page(commands).blocks()
    blocks.launch(
        server_name=HOST,
        server_port=port,
        share=False,
        inbrowser=False,
        quiet=True,
        prevent_thread_lock=True,
        ssr_mode=False,
        footer_links=[],
        css=STYLE,
        allowed_paths=[str(commands.conversation.folder.resolve())],
        theme=gradio.themes.Base(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"]),
    )
    return blocks


class Page:
    """What the page shows and does. There is one conversation: every window of the browser shows it."""

    def __init__(self, commands: Commands) -> None:
        self.commands = commands
        self.conversation = commands.conversation
        self.messages: list[Message] = []

    def blocks(self) -> Blocks:
        """The page."""
        import gradio

        with gradio.Blocks(title="unictk", analytics_enabled=False) as blocks:
            with gradio.Tab("Talk"):
                self._talk(blocks)
            with gradio.Tab("Draw"):
                self._draw()
        return blocks

    def _talk(self, blocks: Blocks) -> None:
        import gradio

        with gradio.Row():
            with gradio.Column(scale=3):
                talk = gradio.Chatbot(
                    label="Conversation", render_markdown=False, buttons=[], elem_id="conversation"
                )
                line = gradio.Textbox(
                    show_label=False, placeholder="Ask, or /help", elem_id="line", submit_btn=True
                )
            with gradio.Column(scale=1):
                shown = gradio.Image(
                    label="Picture",
                    type="filepath",
                    sources=["upload", "clipboard"],
                    buttons=["fullscreen"],
                    elem_id="picture",
                )
                gradio.Textbox(
                    label="Concepts", value=self.commands.concepts(), interactive=False, elem_id="concepts"
                )
                anew = gradio.Button("Begin anew", elem_id="anew")
        line.submit(self.say, line, line, **ONE_AT_A_TIME).then(self._shown, None, talk, **ONE_AT_A_TIME)
        shown.input(self.look, shown, None, **ONE_AT_A_TIME).then(self._shown, None, talk, **ONE_AT_A_TIME)
        for event in (anew.click, talk.clear):
            event(self.begin_anew, None, None, **ONE_AT_A_TIME).then(self._shown, None, talk, **ONE_AT_A_TIME)
        blocks.load(self._shown, None, talk, **ONE_AT_A_TIME)

    def _draw(self) -> None:
        import gradio

        sampling, conversation = self.conversation.sampling, self.conversation
        with gradio.Row():
            with gradio.Column(scale=1):
                prompt = gradio.Textbox(label="Prompt", lines=3, elem_id="prompt")
                steps = gradio.Number(sampling.steps, label="Steps", minimum=1, precision=0, elem_id="steps")
                guidance = gradio.Number(sampling.guidance, label="Guidance", minimum=0, elem_id="guidance")
                seed = gradio.Number(
                    conversation.seed + conversation.next_number(),
                    label="Seed",
                    minimum=0,
                    precision=0,
                    elem_id="seed",
                )
                button = gradio.Button("Draw", variant="primary", elem_id="draw")
            with gradio.Column(scale=2):
                drawn = gradio.Image(
                    label="Drawing",
                    interactive=False,
                    type="filepath",
                    height=512,
                    buttons=list(BUTTONS),
                    elem_id="drawn",
                )
                note = gradio.Textbox(show_label=False, interactive=False, elem_id="note")
        button.click(self.draw, [prompt, steps, guidance, seed], [drawn, note, seed], **ONE_AT_A_TIME)

    def _shown(self) -> list[Message]:
        return self.messages

    # -- what happens ----------------------------------------------------------------------------------

    def say(self, line: str) -> str:
        """Add a line of the talk and what it leads to; the field's new content: nothing."""
        said = self.commands.answer(line)
        if line.strip():
            text = "Ctrl-C in the terminal ends the page." if said.ends else said.text
            self.messages += [_text("user", line), _text("assistant", text)]
        if said.picture is not None:
            path = str(said.picture.resolve())
            self.messages.append({"role": "assistant", "content": {"path": path}})
        return ""

    def look(self, path: str | None) -> None:
        """A picture was put on the page or taken away."""
        try:
            self.conversation.look(path, Path(path).name if path else "")
            told = f"Looking at {self.conversation.shown}" if path else "No picture"
            self.messages.append(_text("assistant", f"{told}; the conversation begins anew."))
        except UserError as error:
            self.messages.append(_text("assistant", str(error)))

    def begin_anew(self) -> None:
        """Forget what was said, on the page too."""
        self.conversation.reset()
        self.messages = []

    def draw(
        self, prompt: str, steps: float | None, guidance: float | None, seed: float | None
    ) -> tuple[str | None, str, float | None]:
        """A drawing, its path in words, and the next seed; or what is wrong with the prompt."""
        try:
            if not prompt.strip():
                raise UserError("prompt: empty; for example: A photo of a red star.")
            drawing = self.conversation.draw(
                prompt,
                None if steps is None else int(steps),
                guidance,
                None if seed is None else int(seed),
            )
        except UserError as error:
            return None, str(error), seed
        path = str(drawing.path.resolve())
        return path, f"{drawing.path} (seed {drawing.seed})", drawing.seed + 1


def _text(role: str, words: str) -> Message:
    """Words as a message. Chatbot shows even plain text as HTML, in which a model could load anything."""
    return {"role": role, "content": html.escape(words, quote=False)}
