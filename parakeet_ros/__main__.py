"""The command line: ``python -m parakeet_ros VERB ...``."""

import sys

from parakeet_ros.cli.main import main

if __name__ == '__main__':
    sys.exit(main())
