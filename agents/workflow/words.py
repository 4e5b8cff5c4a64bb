"""Words for people that several parts say."""


def counted(number: int, one: str) -> str:
    """Return a number with what is counted: `1 case`, `2 cases`."""
    return f"{number:,} {one}" if number == 1 else f"{number:,} {one}s"
