"""Chapters, the graph between them, and what runs them."""

__all__ = ["Chapter", "open_chapter"]


def __getattr__(name: str):
    """Import the chapter's tools when they are asked for: the command line needs no pandas."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mammolab.pipeline import chapter

    return getattr(chapter, name)
