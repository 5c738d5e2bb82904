"""`python -m bandstand` is the command `bandstand`."""

from bandstand.cli import main

if __name__ == "__main__":
    main()
