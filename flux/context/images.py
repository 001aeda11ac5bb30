"""Pictures for the model: which files are some, and a message's part of one."""

from __future__ import annotations

import base64
from pathlib import PurePosixPath

from flux.core.errors import NotText
from flux.core.messages import Image
from flux.core.snapshot import WorkspacePath
from flux.workspace.workspace import Workspace

MAX_IMAGE_BYTES = 5 * 1024 * 1024
"""What Anthropic takes for one picture (its vision guide, 2026); OpenAI takes more."""

SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".gif", ".webp"))
_SIGNATURES = ((b"\x89PNG\r\n\x1a\n", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


def is_image(name: str) -> bool:
    """Whether a file of that name is a picture that models take."""
    return PurePosixPath(name).suffix.lower() in SUFFIXES


async def read_image(path: WorkspacePath, workspace: Workspace) -> Image:
    """The picture. Raises NotText where the bytes are of none that models take, and what `read_bytes` raises."""
    data = await workspace.read_bytes(path, MAX_IMAGE_BYTES)
    is_webp = data[:4] == b"RIFF" and data[8:12] == b"WEBP"
    media_type = next((kind for mark, kind in _SIGNATURES if data.startswith(mark)), "image/webp" if is_webp else "")
    if not media_type:
        raise NotText(f"{path} is no PNG, JPEG, GIF or WebP picture.", path=str(path))
    return Image(media_type, base64.b64encode(data).decode("ascii"))
