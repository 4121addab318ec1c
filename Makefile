# make workbench | make test need Python 3.11 and make, nothing else. A second run skips what is done.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
OPEN ?= 1
# Two files at a time, in the order of their names: what the tests of a file share is slow to make. PARALLEL= runs one by one.
PARALLEL ?= -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: workbench test verify matrix bench pictures tutorials docs site fmt check clean

workbench: .setup/env
	$(BIN)/flowgen generate test
	$(BIN)/flowgen score test
	$(BIN)/flowgen report test -o reports/test.html
ifneq ($(OPEN),0)
	$(BIN)/flowgen lab
endif

test: .setup/env .setup/browser
	$(BIN)/python tests/compiled.py
	$(BIN)/python -m pytest -m "not verify" $(PARALLEL)

verify: .setup/env .setup/browser
	$(BIN)/python -m pytest

# The wheel on Python 3.11, 3.12, 3.13 and at the lowest versions of what it depends on, as far as they can be had here. ONLY="3.12 lowest" chooses.
matrix: .setup/env
	$(BIN)/python tests/matrix.py $(ONLY)

bench: .setup/env .setup/bench
	$(BIN)/python benchmarks/whole.py
	$(BIN)/python benchmarks/flowsim.py
	$(BIN)/python benchmarks/analysis.py
	$(BIN)/python benchmarks/pipeline.py
	$(BIN)/python benchmarks/large.py

pictures: .setup/env .setup/browser
	$(BIN)/python tests/browser/pictures.py

tutorials: .setup/env
	$(BIN)/python docs/run_tutorials.py

docs: .setup/env
	$(BIN)/python docs/make_reference.py
	$(BIN)/python docs/make_robustness.py
	$(BIN)/python docs/make_site.py

# The pages as a site in _docs. Without quarto (https://quarto.org) the notebooks are processed, which finds what would not build, and not drawn.
site: .setup/env
	$(BIN)/python docs/make_site.py --pages
	@if command -v quarto > /dev/null; then $(BIN)/nbdev-docs; \
	  else $(BIN)/python -c "from nbdev.serve import proc_nbs; proc_nbs(n_workers=2)" && echo "quarto is not here: the notebooks are processed in _proc, and no page is drawn"; fi

fmt: .setup/env
	$(BIN)/python docs/part_cells.py
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --select I nbs tests benchmarks
	$(BIN)/nbdev-clean
	$(BIN)/nbdev-export

check: .setup/env
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/python -m pytest tests/test_layout.py

.setup/env: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "needs Python 3.11 or newer; set PYTHON=")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[lab,dev]'
	@mkdir -p .setup && touch $@

.setup/browser: .setup/env tests/browser/get_browser.py
	$(BIN)/python tests/browser/get_browser.py
	@mkdir -p .setup && touch $@

# edist is GPL: a peer of the benchmark in an environment of its own. Where it cannot be had, the benchmark leaves it out.
.setup/bench:
	@mkdir -p .setup
	@$(PYTHON) -m venv $@ && $@/bin/python -m pip install --quiet --disable-pip-version-check edist \
	  || { rm -rf $@; echo "edist cannot be installed here: the benchmark goes without it"; }

clean:
	rm -rf .venv .setup
