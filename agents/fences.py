"""Text of others beside instructions of ours: marked, so that a language model can tell what is only data."""


def fence(untrusted: str) -> str:
    """Mark text as data, so that instructions inside it are not taken for ours."""
    inner = untrusted.replace("<<<", "< < <").replace("DATA>>>", "DATA> > >")
    return f"<<<DATA\n{inner}\nDATA>>>"
