"""The page as one ASGI application, with everything off that it does not use."""

from __future__ import annotations

import fastapi
import gradio as gr

from neural_style.web.gate import Gate
from neural_style.web.handlers import Desk
from neural_style.web.page import CSS, Page

_FONTS = ["system-ui", "sans-serif"]
_CODE_FONTS = ["ui-monospace", "monospace"]

MOST_SESSIONS = 500
"""How many open pages are remembered."""


def application(desk: Desk) -> Gate:
    """Return the page of a desk behind its gate."""
    served = desk.served
    blocks = Page(desk).blocks
    blocks.queue(max_size=served.max_jobs, default_concurrency_limit=8)
    blocks.state_session_capacity = MOST_SESSIONS
    outer = fastapi.FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    app = gr.mount_gradio_app(
        outer,
        blocks,
        path="/",
        server_name=served.host,
        footer_links=[],
        run_history=False,
        auth=served.credentials,
        allowed_paths=[],
        show_error=False,
        max_file_size=served.upload_bytes,
        ssr_mode=False,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=_theme(),
        css=CSS,
    )
    return Gate(app, desk.visitors, served.host, served.allow_host, served.upload_bytes)


def _theme() -> gr.themes.Base:
    """Return fonts of the visitor's system, and colors whose contrast reaches 4.5:1 (WCAG AA) in light and dark."""
    theme = gr.themes.Default(primary_hue="orange", font=_FONTS, font_mono=_CODE_FONTS)
    subdued, subdued_dark, button = "#52525b", "#c4c4cc", "#9a3412"
    return theme.set(
        body_text_color_subdued=subdued,
        body_text_color_subdued_dark=subdued_dark,
        block_info_text_color=subdued,
        block_info_text_color_dark=subdued_dark,
        block_label_text_color=subdued,
        block_label_text_color_dark=subdued_dark,
        block_title_text_color=subdued,
        block_title_text_color_dark=subdued_dark,
        button_primary_background_fill=button,
        button_primary_background_fill_dark=button,
        button_primary_background_fill_hover="#7c2d12",
        button_primary_background_fill_hover_dark="#7c2d12",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        slider_color=button,
        slider_color_dark="#ea580c",
    )
