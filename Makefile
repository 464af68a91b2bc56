# coordfs. `make help` lists the targets. New source files are found, no edit is needed.
#
# A sanitizer's build lies beside the normal one: `make SAN=asan` fills build/asan.
# V=1 shows the commands; WERROR=1 makes warnings errors; TESTS="..." picks tests.

SHELL := /bin/sh
.SHELLFLAGS := -euc
.ONESHELL:
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules --no-print-directory

PREFIX ?= /usr/local
bindir = $(DESTDIR)$(PREFIX)/bin
mandir = $(DESTDIR)$(PREFIX)/share/man
docdir = $(DESTDIR)$(PREFIX)/share/doc/coordfs

SAN ?=
B := build$(addprefix /,$(SAN))
Q := $(if $(V),,@)

# For a make inside a make: all processors, unless the caller chose.
nproc := $(shell nproc)
J = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(nproc))

# --- flags ------------------------------------------------------------------

ifeq ($(origin CC),default)
CC := gcc
endif

warnings := -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wold-style-definition -Wvla -Wwrite-strings -Wpointer-arith -Wformat=2 -Wundef \
	-Wcast-qual -Wimplicit-fallthrough -Wnull-dereference
defines := -D_GNU_SOURCE -DFUSE_USE_VERSION=314
dialect := -std=gnu11 $(defines) -I.

# The sanitizers' own warnings are often wrong: never errors there.
ifeq ($(SAN),)
kind := -O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 $(if $(filter 1,$(WERROR)),-Werror)
else ifeq ($(SAN),asan)
kind := -O1 -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=undefined
else ifeq ($(SAN),tsan)
kind := -O1 -fno-omit-frame-pointer -fsanitize=thread
else
$(error SAN is asan, tsan or nothing)
endif

# Asked for on first use, so that targets which compile nothing need no library.
no_pkg := A library is missing: tools/packages test installs all
pkg = $(shell pkg-config $1)$(if $(filter-out 0,$(.SHELLSTATUS)),$(error $(no_pkg)))
pkg_cflags = $(eval pkg_cflags := $$(call pkg,--cflags fuse3 sqlite3 jansson libgit2))$(pkg_cflags)
pkg_libs = $(eval pkg_libs := $$(call pkg,--libs fuse3 sqlite3 jansson libgit2))$(pkg_libs)
test_cflags = $(eval test_cflags := $$(call pkg,--cflags criterion))$(test_cflags)
test_libs = $(eval test_libs := $$(call pkg,--libs criterion))$(test_libs)

cflags = $(dialect) -g $(kind) $(warnings) -fno-common -fstack-protector-strong -fPIE -pthread \
	$(pkg_cflags) $(CPPFLAGS) $(CFLAGS)
ldflags = $(filter -fsanitize%,$(kind)) -pie -Wl,-z,relro,-z,now -pthread $(LDFLAGS)

compile = $(CC) $(cflags) -MMD -MP -c -o $@ $<
link = $(CC) $(ldflags) -o $@ $(filter %.o %.a,$^) $(pkg_libs) -lm

# --- files ------------------------------------------------------------------

lib_src := $(wildcard fs/*.c backend/*.c)
tool_src := $(wildcard tools/*.c)
test_src := $(wildcard tests/backend/test_*.c tests/fs/test_*.c tests/tools/test_*.c tests/lib/*.c)
bench_src := $(wildcard tests/bench/*.c tests/fuzz/*.c)
sim_src := $(wildcard tests/sim/*.c)
lib_of_lessons.c := tests/lib/teaching.c tests/lib/fixture.c
sim_lib := tests/lib/fixture.c tests/lib/wire.c tests/lib/disk.c
fuzz_lib := tests/lib/fixture.c tests/lib/wire.c tests/lib/fuzz.c
helper_src := $(wildcard tests/mount/*.c)

objects = $(1:%.c=$B/%.o)
lib_obj := $(call objects,$(lib_src))
tool_obj := $(call objects,$(tool_src))
test_obj := $(call objects,$(test_src))
sim_obj := $(call objects,$(sim_src))
bench_obj := $(call objects,$(bench_src))
benches := $(foreach f,$(bench_src),$B/bench/$(basename $(notdir $f)))
helpers := $(foreach f,$(helper_src),$B/tests/$(basename $(notdir $f)))

# Tests let memory run out, and have a loop of their own: tests/lib/alloc.c, loop.c.
test_wraps := $(foreach f,malloc calloc realloc strdup strndup loop_watch loop_unwatch,-Wl,--wrap=$f)

c_files = $(wildcard $(foreach d,fs backend tools tests/*,$d/*.c $d/*.h))

# --- build ------------------------------------------------------------------

all: $B/coordfs ## build build/coordfs (the default)

$B/coordfs: $(tool_obj) $B/libcoordfs.a $B/sources
	$Q$(if $(Q),echo '  LD  $@')
	$(link)

$B/libcoordfs.a: $(lib_obj) $B/sources
	$Q$(if $(Q),echo '  AR  $@')
	rm -f $@
	$(AR) rcs $@ $(lib_obj)

$B/tests/unit: $(test_obj) $(filter-out $B/tools/main.o,$(tool_obj)) $B/libcoordfs.a $B/sources
	$Q$(if $(Q),echo '  LD  $@')
	$(link) $(test_libs) $(test_wraps)

$(test_obj): $B/%.o: %.c $B/flags
	$Q$(if $(Q),echo '  CC  $@')
	mkdir -p $(@D)
	$(compile) $(test_cflags)

$B/%.o: %.c $B/flags
	$Q$(if $(Q),echo '  CC  $@')
	mkdir -p $(@D)
	$(compile)

# The simulation brings a process table of its own: fs/caller.o stays in the archive.
$B/tests/simulate: $(sim_obj) $(call objects,$(sim_lib)) $B/libcoordfs.a $B/sources
	$Q$(if $(Q),echo '  LD  $@')
	$(link)

define bench_rule
$B/bench/$(basename $(notdir $1)): $(call objects,$1 $(if $(filter tests/fuzz/%,$1),$(fuzz_lib)) $(lib_of_$(notdir $1))) $B/libcoordfs.a
	$$Q$$(if $$(Q),echo '  LD  $$@')
	mkdir -p $$(@D)
	$$(link)
endef
$(foreach f,$(bench_src),$(eval $(call bench_rule,$f)))

# Programs that the tests on a mount run; nothing of coordfs is in them.
define helper_rule
$B/tests/$(basename $(notdir $1)): $(call objects,$1)
	$$Q$$(if $$(Q),echo '  LD  $$@')
	$$(CC) $$(ldflags) -o $$@ $$^
endef
$(foreach f,$(helper_src),$(eval $(call helper_rule,$f)))

test-helpers: $(helpers)

# Changed only when what they hold changes: other flags compile all anew, and a
# source file that came or went links anew.
$B/flags: stamp = $(CC) $(cflags) $(ldflags)
$B/sources: stamp = $(sort $(lib_src) $(tool_src) $(test_src) $(sim_src))
$B/flags $B/sources: FORCE | $B
	@printf '%s\n' '$(subst ','\'',$(stamp))' >$@.new
	if cmp -s $@.new $@; then rm $@.new; else mv $@.new $@; fi

$B:
	@mkdir -p $@

-include $(patsubst %.o,%.d,$(lib_obj) $(tool_obj) $(test_obj) $(sim_obj) $(bench_obj) \
	$(call objects,$(helper_src)))

# --- run and test -----------------------------------------------------------

# A bare machine needs only make: packages come first, then a make that sees them.
packages-build packages-test packages-dev:
	@tools/packages $(@:packages-%=%)

run-prepare: packages-build
	@$(MAKE) $J all
test-prepare: packages-test
	@$(MAKE) $J all test-helpers $B/tests/unit $B/tests/simulate

run: run-prepare ## install what is missing, build, and show the tree
	@export COORDFS='$(CURDIR)/$B/coordfs'
	exec tools/demo

# Shell functions for the recipes below.
#
# suite NAME COMMAND: run it and keep its last line "N passed, N failed, N skipped".
# A command that says nothing of the kind, or fails without a failure, counts as one.
#
# mounted NAME COMMAND: the same for tests that need a mount and live in tests/NAME;
# they are skipped, and counted as such, where there can be no mount.
define sh_functions
closing='^[0-9]+ passed, [0-9]+ failed, [0-9]+ skipped$$'
results=$B/results
mkdir -p $$results
export COORDFS='$(CURDIR)/$B/coordfs'
loud() {
	printf '\n*** SKIPPED: %s\n\n' "$$*"
}
cannot_mount() {
	if ! [ -x "$$1" ]; then
		echo "there is no $$1"
	elif ! [ -c /dev/fuse ] || ! (: <>/dev/fuse) 2>/dev/null; then
		echo "/dev/fuse cannot be opened, so nothing is mounted here"
	else
		return 1
	fi
}
suite() {
	log=$$results/$$1
	shift
	{ "$$@" && echo 0 >$$log.rc || echo $$? >$$log.rc; } 2>&1 | tee $$log.log
	line=$$(grep -E "$$closing" $$log.log | tail -n 1 || :)
	rc=$$(cat $$log.rc)
	echo "$${line:-0 passed, 0 failed, 0 skipped}" | awk -v rc=$$rc -v said="$$line" '{
		failed = $$3
		if (!failed && (rc || !said)) failed = 1
		print $$1, failed, $$5 }' >$$log.count
}
unit() {
	rm -f $$results/unit.json
	rc=0
	$B/tests/unit --timeout $(if $(SAN),120,30) --json=$$results/unit.json \
		"$$@" || rc=$$?
	[ ! -s $$results/unit.json ] || awk -F'[:,]' '
		/^  "(passed|failed|errored|skipped)"/ { split($$1, name, "\""); n[name[2]] = $$2 + 0 }
		END { printf "%d passed, %d failed, %d skipped\n", n["passed"], n["failed"], n["skipped"]
			exit n["failed"] || n["errored"] || !n["skipped"] }
		' $$results/unit.json || return $$rc
	# Criterion 2.4 answers 1 when a test has skipped itself, although none failed
	[ -s $$results/unit.json ] || return 1
}
count_tests() {
	n=0
	for f in tests/$$1/*; do
		case $$f in
		*/run) add=0 ;;
		*.py) add=$$(grep -cE '^[[:space:]]+(async )?def test' $$f || :) ;;
		*) [ -f $$f ] && [ -x $$f ] && add=1 || add=0 ;;
		esac
		n=$$((n + add))
	done
	echo $$n
}
mounted() {
	if why=$$(cannot_mount "$$2"); then
		loud "tests/$$1: $$why"
		echo 0 0 $$(count_tests $$1) >$$results/$$1.count
	else
		suite "$$@"
	fi
}
sum() {
	awk '{ p += $$1; f += $$2; s += $$3 }
		END { printf "%d passed, %d failed, %d skipped\n", p, f, s; exit (f > 0) }' \
		$$results/*.count
}
endef

test: test-prepare ## install what is missing, build, run every test
	@$(sh_functions)
	rm -f $$results/*
	suite unit unit
	suite sim $B/tests/simulate -b 8 -r tests/sim/seeds
	mounted mount tests/mount/run
	mounted faults tests/faults/run
	echo
	rc=0
	sum >$$results/total || rc=1
	cat $$results/total
	exit $$rc

unit: $B/tests/unit ## run the unit tests (TESTS='claims/*')
	@$(sh_functions)
	unit $(if $(TESTS),--filter '$(TESTS)')

mount: $B/coordfs $(helpers) ## run the tests on a real mount (TESTS='load')
	@$(sh_functions)
	! why=$$(cannot_mount tests/mount/run) || { loud "$$why"; exit 0; }
	tests/mount/run $(TESTS)

faults: $B/coordfs ## run the crash, power cut and disk full tests
	@$(sh_functions)
	! why=$$(cannot_mount tests/faults/run) || { loud "$$why"; exit 0; }
	tests/faults/run $(TESTS)

sim: $B/tests/simulate ## simulate agents and faults (SEED=n STEPS=m, or BUDGET=seconds)
	@exec $B/tests/simulate -n $(or $(STEPS),1000) \
		$(if $(SEED),-s $(SEED),-b $(or $(BUDGET),60) -r tests/sim/seeds)

sim-mutants: ## plant bugs in a copy of the sources: the simulator must find each
	@exec tests/sim/mutants/run

check: ## build, unit tests, check-headers, fmt-check: quick, and no root
	@$(MAKE) $J all $B/tests/unit
	$(MAKE) unit
	$(MAKE) check-headers
	$(MAKE) fmt-check

# --- sanitizers -------------------------------------------------------------

TSAN_TESTS ?= load convergence

asan-prepare:
	@$(MAKE) $J SAN=asan all test-helpers build/asan/tests/unit
tsan-prepare:
	@$(MAKE) $J SAN=tsan all test-helpers

# A leak in a unit test's child process, or in the mount's, is in the log alone: the
# test passes. Other users' processes write there too.
define sh_log
log='$(CURDIR)/$B/log'
rm -rf "$$log"
mkdir -p "$$log"
chmod 1777 "$$log"
no_log() {
	[ -n "$$(ls "$$log")" ] || return 0
	cat "$$log"/*
	echo "*** FAILED: the sanitizer's reports are in $$log" >&2
	return 1
}
endef

check-asan: asan-prepare ## unit and mount tests under the address and undefined sanitizers
	@$(MAKE) SAN=asan asan-run
check-tsan: tsan-prepare ## mount tests named in TSAN_TESTS under the thread sanitizer
	@$(MAKE) SAN=tsan tsan-run

asan-run:
	@$(sh_functions)
	$(sh_log)
	export ASAN_OPTIONS="log_path=$$log/asan:detect_stack_use_after_return=1"
	export UBSAN_OPTIONS=print_stacktrace=1
	rc=0
	unit || rc=1
	no_log || exit 1
	if why=$$(cannot_mount tests/mount/run); then
		loud "$$why"
	else
		tests/mount/run || rc=1
		no_log || exit 1
	fi
	exit $$rc

# libtsan of gcc 12 needs its address range free: no randomisation where it is wide.
tsan-run:
	@$(sh_functions)
	$(sh_log)
	export TSAN_OPTIONS="log_path=$$log/tsan:second_deadlock_stack=1"
	if why=$$(cannot_mount tests/mount/run); then
		loud "$$why"
		exit 0
	fi
	rc=0
	fixed=
	! setarch -R true 2>/dev/null || fixed='setarch -R'
	$$fixed tests/mount/run $(TSAN_TESTS) || rc=1
	no_log || exit 1
	exit $$rc

# --- the source text --------------------------------------------------------

check-headers: ## each header compiles alone; includes follow the architecture
	@export CC='$(CC)' CFLAGS='$(dialect) $(warnings) $(pkg_cflags) $(CPPFLAGS)'
	tools/check-headers

tidy: ## clang-tidy and cppcheck over fs, backend and tools
	@files='$(lib_src) $(tool_src)'
	[ -n "$${files# }" ] || exit 0
	printf '%s\n' $$files | xargs -P $(nproc) -n 1 sh -c '
		out=$$(clang-tidy --quiet "$$0" -- $(dialect) $(warnings) $(pkg_cflags) \
			-Wno-unknown-warning-option 2>&1) ||
		{ echo "$$out" | grep -v " warnings generated.$$"; exit 1; }'
	cppcheck --quiet -j $(nproc) --std=c11 --language=c --enable=warning,performance,portability \
		--inline-suppr --library=tools/cppcheck.cfg --suppress=missingIncludeSystem --suppress=memleak --error-exitcode=1 \
		$(defines) -I. $$files

fmt: ## format the C sources in place
	@clang-format -i $(c_files)

fmt-check: ## say what fmt would change
	@clang-format -n --Werror $(c_files)

bench: ## build the benchmarks and run them
	@$(MAKE) $J all bench-programs
	if [ -x tests/bench/run ]; then exec tests/bench/run $(TESTS); fi
	printf '\n*** SKIPPED: there is no tests/bench/run\n\n'

bench-programs: $(benches)

# --- install ----------------------------------------------------------------

man_pages = $(wildcard docs/man/*.[1-8])
docs = $(wildcard README.md LICENSE docs/*.md)

install: all ## install (DESTDIR, PREFIX=/usr/local)
	@install -d $(bindir) $(docdir)
	install -m 755 $B/coordfs $(bindir)/coordfs
	for f in $(docs); do install -m 644 $$f $(docdir)/; done
	for f in $(man_pages); do
		install -D -m 644 $$f $(mandir)/man$${f##*.}/$${f##*/}
	done

uninstall: ## remove what install put there
	@rm -f $(bindir)/coordfs
	for f in $(man_pages); do rm -f $(mandir)/man$${f##*.}/$${f##*/}; done
	rm -rf $(docdir)

clean: ## remove build/
	@rm -rf build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-15s %s\n", $$1, $$2 }' Makefile

.PHONY: all run run-prepare test test-helpers test-prepare packages-build packages-test packages-dev unit mount \
	sim sim-mutants \
	faults check asan-prepare asan-run check-asan tsan-prepare tsan-run check-tsan check-headers \
	tidy fmt fmt-check bench bench-programs install uninstall clean help FORCE
