# Every target sets up what it needs in .venv first. Python 3.11 or newer: make PYTHON=python3.12
PYTHON ?= python3
RUN := .venv/bin/python

.PHONY: demo test lint bench fuzz guide guide-check notebooks site clean

demo: .venv/installed ## steps 3 and 4 without any file or network
	$(RUN) train_feature_extraction.py --demo
	$(RUN) feature_extraction.py --run runs/latest
	@echo
	@echo "You drew 4,000 traffic signs, pushed them once through AlexNet with random weights,"
	@echo "trained a new last layer on what came out, and let it name two signs it had not seen."
	@echo "The run, with plots and report.html, is in runs/latest. Real weights do far better:"
	@echo
	@echo "    . .venv/bin/activate"
	@echo "    python download.py"
	@echo "    python imagenet_inference.py"

test: .venv/installed-tests ## five to ten minutes
	$(RUN) -m pytest -q

lint: .venv/installed-tests
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	.venv/bin/lint-imports --no-cache

bench: .venv/installed-benchmarks ## about half an hour; benchmarks/README.md says what it measures
	$(RUN) -m benchmarks.bench

fuzz: .venv/installed-tests ## 10,000 damaged files for each reader
	$(RUN) tests/fuzz_readers.py --count 10000 --seed 0

guide: .venv/installed-guide ## draws the pictures, fills the pages, makes the notebooks anew
	$(RUN) -m guide.drawings
	$(RUN) -m guide.build

guide-check: .venv/installed-guide ## minutes: is every page up to date, does every command run
	$(RUN) -m guide.build --check
	$(RUN) -m pytest -q -m slow tests/guide

notebooks: .venv/installed-guide ## executes a copy of each, a few minutes each
	$(RUN) -m guide.build.execute

site: .venv/installed-guide ## guide and reference as web pages, in site/index.html
	rm -rf site
	$(RUN) -m sphinx --quiet --fail-on-warning --keep-going -d .cache/site -E -c guide/site . site
	$(RUN) -m guide.site.offline site

clean:
	rm -rf .venv .cache .pytest_cache .ruff_cache runs site

.venv/bin/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=...')"
	$(PYTHON) -m venv .venv

.venv/installed: requirements.txt | .venv/bin/python
	@echo "Installing TensorFlow and what the lab needs into .venv: 2.5 GB on disk, a few minutes"
	$(RUN) -m pip install -q -r requirements.txt
	@touch $@

.venv/installed-%: %/requirements.txt requirements.txt | .venv/bin/python
	$(RUN) -m pip install -q -r $<
	@touch $@
