"""Where people are: Discord, the terminal and the command line. Adapters only; nothing imports this."""
