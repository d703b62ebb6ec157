# What `make bench` runs: Moru's side on the public interface, and the arithmetic peak. Neither is installed.
EXTRA_PROGRAMS = bench/moru_bench bench/peak bench/winograd_accuracy
bench_sources = bench/moru_bench.c bench/run.c bench/op.c bench/bench.h bench/workloads/dense.c bench/workloads/conv.c \
    bench/workloads/resnet20.c bench/workloads/recurrent.c bench/workloads/dcgan.c bench/workloads/gpt.c
bench_moru_bench_SOURCES = $(bench_sources)
bench_moru_bench_LDADD = libmoru.la
bench_peak_SOURCES = bench/peak.c
bench_peak_CFLAGS = $(base_cflags) -O3 -march=native
bench_peak_LDADD =
bench_winograd_accuracy_SOURCES = bench/winograd_accuracy.c
bench_winograd_accuracy_LDADD = libmoru.la
CLEANFILES += $(EXTRA_PROGRAMS) bench.csv bench-ops.csv
EXTRA_DIST += bench/continue_in_keras.py bench/bench.py bench/workloads.py bench/ops.py bench/report.py bench/setup.sh bench/peers/peer.py bench/peers/torch_peer.py \
    bench/peers/torch_ops.py bench/peers/jax_peer.py bench/peers/tf_peer.py

# make bench BENCH='--only lenet,cnn --mode infer --markdown'
PYTHON = python3
BENCH =
bench: bench/moru_bench$(EXEEXT) bench/peak$(EXEEXT)
	$(PYTHON) $(srcdir)/bench/bench.py --build '$(builddir)' $(BENCH)
bench-ops: bench/moru_bench$(EXEEXT) bench/peak$(EXEEXT)
	$(PYTHON) $(srcdir)/bench/bench.py --ops --build '$(builddir)' $(BENCH)
.PHONY: bench bench-ops
