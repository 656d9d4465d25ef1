"""Other machines, over Ray (extra `[ray]`): the cells of a sweep and the nodes of a run as processes of ours there.

elsewhere.py  the processes on the cluster's machines, as we see them
bridge.py     a process of its own between us and Ray: the one file that imports it
relay.py      an actor of Ray, which starts a process of ours on its machine and passes on what is said
words.py      what we and the bridge say to each other
files.py      files on their way, and those that a topology needs on every machine
cells.py      the engine of a sweep, and the life of a process that simulates cells there
seat.py       the life of a process that runs a node there
network.py    a run of such nodes, and its directory put together
"""
