"""Who works: the graph, its seven agents, the job folder and the programs that run in it."""
