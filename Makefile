# Every target sets up what it needs in .venv first. Python 3.11 or newer: make PYTHON=python3.12
PYTHON ?= python3
HERE := .venv/bin/python
RUN ?= runs/latest
PICTURES ?= pictures
# Two processes test at once; each with threads for all cores would wait for the other's.
ALONE := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1

.PHONY: demo test lint exercises hand-in guide guide-check notebooks site \
	export serve embed test-slow test-deploy bench fuzz clean

demo: .venv/installed ## steps 3 and 4 without any file or network
	$(HERE) train_feature_extraction.py --demo
	$(HERE) feature_extraction.py --run runs/latest
	@echo
	@echo "You drew 4,000 traffic signs, pushed them once through AlexNet with random weights,"
	@echo "trained a new last layer on what came out, and let it name two signs it had not seen."
	@echo "The run, with plots and report.html, is in runs/latest. Real weights do far better:"
	@echo
	@echo "    . .venv/bin/activate"
	@echo "    python download.py"
	@echo "    python imagenet_inference.py"

test: .venv/installed-tests ## five to seven minutes
	$(ALONE) $(HERE) -m pytest -q -n 2 --dist loadfile --no-loadscope-reorder \
		--ignore tests/deploy

test-slow: .venv/installed-tests ## those that take minutes each
	$(HERE) -m pytest -q -m slow tests --ignore tests/guide --ignore tests/deploy

lint: .venv/installed-tests
	$(HERE) -m ruff check .
	$(HERE) -m ruff format --check .
	.venv/bin/lint-imports --no-cache

exercises: .venv/installed ## how yours stand; also ONLY=resize and HINT=1
	@$(HERE) -m exercises $(ONLY) $(if $(HINT),--hint $(HINT))

hand-in: .venv/installed ## an archive of the exercises with their marks
	@$(HERE) -m exercises --hand-in

guide: .venv/installed-guide ## draws the pictures, fills the pages, makes the notebooks anew
	$(HERE) -m guide.drawings
	$(HERE) -m guide.build

guide-check: .venv/installed-guide ## minutes: is every page up to date, does every command run
	$(HERE) -m guide.build --check
	$(HERE) -m pytest -q -m slow tests/guide

notebooks: .venv/installed-guide ## executes a copy of each, five minutes
	$(HERE) -m guide.build.execute

site: .venv/installed-guide ## guide and reference as web pages, in site/index.html
	rm -rf site
	$(HERE) -m sphinx --quiet --fail-on-warning --keep-going -d .cache/site -E -c guide/site . site
	$(HERE) -m guide.site.offline site

export: .venv/installed-deploy-export ## a trained run as files: make export RUN=runs/latest
	$(HERE) -m deploy.export --run $(RUN)

serve: .venv/installed-deploy-serve ## a page for a trained run: make serve RUN=runs/latest
	$(HERE) -m deploy.serve --run $(RUN)

embed: .venv/installed-deploy-embed ## a run over many pictures: make embed RUN=... PICTURES=folder
	$(HERE) -m deploy.embed --run $(RUN) $(PICTURES)

test-deploy: .venv/installed-tests .venv/installed-deploy-export .venv/installed-deploy-serve \
		.venv/installed-deploy-embed ## a few minutes
	$(HERE) -m pytest -q -n 2 --dist load tests/deploy

bench: .venv/installed-benchmarks ## about half an hour; benchmarks/README.md says what it measures
	$(HERE) -m benchmarks.bench

fuzz: .venv/installed-tests ## 10,000 damaged files for each reader
	$(HERE) tests/fuzz_readers.py --count 10000 --seed 0

clean:
	rm -rf .venv .cache .pytest_cache .ruff_cache runs site

.venv/bin/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=...')"
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

.venv/installed-guide: tests/requirements.txt

.venv/installed: requirements.txt | .venv/bin/python
	@echo "Installing TensorFlow and what the lab needs into .venv: 2.5 GB on disk, a few minutes"
	$(HERE) -m pip install -q -r requirements.txt
	@touch $@

.venv/installed-%: %/requirements.txt requirements.txt | .venv/bin/python
	$(HERE) -m pip install -q -r $<
	@touch $@

.venv/installed-deploy-%: deploy/%/requirements.txt requirements.txt | .venv/bin/python
	$(HERE) -m pip install -q -r $<
	@touch $@
