"""Sweeps: every combination of some settings, each with several seeds, simulated once; and the tables of what came of them.

plan.py      what is varied: axes, points, seeds; the cells that they make
cells.py     one cell, in a process that simulates one after the other
pool.py      which cell is whose, and what becomes of it
engine.py    who simulates them: processes on this machine, unless another engine is asked for
folder.py    the sweep's directory: what is over, and what not
table.py     results.csv, pivot tables, the picture
"""
