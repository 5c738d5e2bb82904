"""Where the data that ships with the package lies; what it holds is said by the README.md in each folder."""

from importlib import resources
from pathlib import Path

from bandstand.errors import UnknownError


def path(name: str) -> Path:
    """The shipped file or folder with this name, for example `obd/random/men/men.csv.gz`."""
    here = Path(str(resources.files(__name__)))
    found = here / name
    if not found.exists():
        known = ", ".join(sorted(licence.parent.name for licence in here.glob("*/LICENSE")))
        raise UnknownError(f"data '{name}' does not ship with the package; known: {known}", field="name")
    return found
