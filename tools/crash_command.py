"""`dfl-actors`, whose fork server wraps the actors (`crash_points`)."""

from crash_points import set_clock

from dfl_actors.__main__ import main
from dfl_actors.api import running
from dfl_actors.runtime import launch

if __name__ == "__main__":
    set_clock()
    vars(running)["PRELOAD"] = (*launch.PRELOAD, "crash_preload")
    main()
