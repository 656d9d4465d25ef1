"""`python -m dfl_actors` is `dfl-actors`."""

from dfl_actors.cli import main

if __name__ == "__main__":
    main()
