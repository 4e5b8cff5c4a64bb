"""Discord: the same cards, gates and commands in a server's channels. The only package that imports discord.py."""
