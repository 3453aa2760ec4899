"""Areas."""


def rectangle(width: float, height: float) -> float:
    """Of a rectangle."""
    return width * height
