"""``python -m benchmarks NAME [flags]``."""

import importlib
import pkgutil
import sys

import benchmarks


def main() -> int:
    """Run the benchmark that the command line names."""
    names = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name[0] != "_")
    if len(sys.argv) < 2 or sys.argv[1] not in names:
        print(f"usage: python -m benchmarks NAME, NAME one of: {', '.join(names)}", file=sys.stderr)
        return 2
    benchmark = importlib.import_module(f"benchmarks.{sys.argv[1]}")
    return int(benchmark.main(sys.argv[2:]))


if __name__ == "__main__":
    sys.exit(main())
