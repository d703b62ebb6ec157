# tests/test_NAME.c is a program of Check tests over the library's objects; tests/double_NAME.c one over the library in
# double precision. A new one goes into unit_tests or double_tests; double ones need the three lines below, too.
unit_tests = \
    tests/test_augmentation \
    tests/test_arrays \
    tests/test_command \
    tests/test_command_faults \
    tests/test_config \
    tests/test_core \
    tests/test_files \
    tests/test_csv \
    tests/test_datasets \
    tests/test_fit \
    tests/test_graph \
    tests/test_graph_faults \
    tests/test_idx \
    tests/test_initializers \
    tests/test_keras \
    tests/test_keras_table \
    tests/test_keras_faults \
    tests/test_attention \
    tests/test_kernels_attention \
    tests/test_kernels_conv \
    tests/test_kernels_gemm \
    tests/test_kernels_layer_norm \
    tests/test_kernels_math \
    tests/test_kernels_misc \
    tests/test_kernels_norm \
    tests/test_kernels_pool \
    tests/test_kernels_reduce \
    tests/test_kernels_rnn \
    tests/test_layers \
    tests/test_loader \
    tests/test_losses \
    tests/test_loss_values \
    tests/test_models \
    tests/test_nested \
    tests/test_noise \
    tests/test_operations \
    tests/test_optimizers \
    tests/test_ops_math \
    tests/test_ops_shapes \
    tests/test_ops_shapes2 \
    tests/test_ops_axis \
    tests/test_ops_made \
    tests/test_ops_values \
    tests/test_fusion \
    tests/test_program \
    tests/test_random_graphs \
    tests/test_recurrent \
    tests/test_schedules \
    tests/test_spatial \
    tests/test_torch_ops \
    tests/test_train_step \
    tests/test_training \
    tests/test_weights
double_tests = tests/double_gradients

double_cppflags = $(AM_CPPFLAGS) $(CHECK_CFLAGS) -DMORU_DOUBLE
double_ldadd = libmoru_double.la $(CHECK_LIBS)
# tests_double_NAME_SOURCES = tests/double_NAME.c
# tests_double_NAME_CPPFLAGS = $(double_cppflags)
# tests_double_NAME_LDADD = $(double_ldadd)

# Counts what the library allocates.
tests_test_program_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
# Lets each allocation fail.
tests_test_graph_faults_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=aligned_alloc
tests_test_torch_ops_SOURCES = tests/test_torch_ops.c tests/torch_case.h tests/torch_build.c tests/torch_build_rnn.c
tests_test_csv_SOURCES = tests/test_csv.c tests/dataset_test.h
tests_test_datasets_SOURCES = tests/test_datasets.c tests/dataset_test.h
tests_test_ops_axis_SOURCES = tests/test_ops_axis.c tests/ops_test.h
tests_test_ops_made_SOURCES = tests/test_ops_made.c tests/ops_test.h
tests_test_idx_SOURCES = tests/test_idx.c tests/dataset_test.h
tests_test_layers_SOURCES = tests/test_layers.c tests/layer_test.h
tests_test_spatial_SOURCES = tests/test_spatial.c tests/layer_test.h
tests_test_loader_SOURCES = tests/test_loader.c tests/dataset_test.h
tests_double_gradients_SOURCES = tests/double_gradients.c tests/gradcheck.h tests/gradcheck.c tests/cases_elementwise.c \
    tests/cases_reduce.c tests/cases_shape.c tests/cases_linear.c tests/cases_conv.c tests/cases_norm.c \
    tests/cases_transformer.c tests/cases_rnn.c tests/cases_axis.c tests/cases_conv3d.c tests/cases_made.c
tests_double_gradients_CPPFLAGS = $(double_cppflags)
tests_double_gradients_LDADD = $(double_ldadd)

AM_CPPFLAGS += $(CHECK_CFLAGS)
LDADD = libmoru_static.la $(CHECK_LIBS)

script_tests = tests/headers.sh tests/exports.sh tests/readme.sh bench/smoke.sh
bench/smoke.log: bench/moru_bench$(EXEEXT)
if HAVE_CHECK
check_PROGRAMS += $(unit_tests) $(double_tests)
endif
TESTS += $(check_PROGRAMS) $(script_tests)
EXTRA_DIST += $(script_tests) tests/driver.sh tests/summary.sh tests/installed.sh tests/installed.c

# The driver counts single checks, so that the totals are of checks and not of programs. Threads that wait sleep: tests use
# more of them than there are processors, and spinning ones take the time of those that work.
TEST_EXTENSIONS = .sh
LOG_DRIVER = $(SHELL) $(srcdir)/tests/driver.sh
SH_LOG_DRIVER = $(LOG_DRIVER)
SH_LOG_COMPILER = $(SHELL)
AM_TESTS_ENVIRONMENT = \
    srcdir='$(abs_srcdir)'; export srcdir; \
    builddir='$(abs_builddir)'; export builddir; \
    MORU_SHARED="$${MORU_SHARED-$(abs_srcdir)/../shared}"; export MORU_SHARED; \
    MORU_COMMAND='$(abs_builddir)/moru'; export MORU_COMMAND; \
    OMP_WAIT_POLICY="$${OMP_WAIT_POLICY-passive}"; export OMP_WAIT_POLICY; \
    CK_DEFAULT_TIMEOUT="$${CK_DEFAULT_TIMEOUT-600}"; export CK_DEFAULT_TIMEOUT; \
    OMP_WAIT_POLICY="$${OMP_WAIT_POLICY-passive}"; export OMP_WAIT_POLICY; \
    ASAN_OPTIONS="allocator_may_return_null=1:detect_leaks=1:$$ASAN_OPTIONS"; export ASAN_OPTIONS; \
    UBSAN_OPTIONS="print_stacktrace=1:$$UBSAN_OPTIONS"; export UBSAN_OPTIONS; \
    CC='$(CC)' CXX='$(CXX)' NM='$(NM)'; export CC CXX NM;

check-summary:
	@$(SHELL) $(srcdir)/tests/summary.sh $(TEST_LOGS:.log=.trs)
check-local: check-TESTS
if !HAVE_CHECK
	@echo "Check (https://libcheck.github.io/check) wasn't found by configure: the tests in C were left out"
endif
	@$(SHELL) $(srcdir)/tests/summary.sh $(TEST_LOGS:.log=.trs)
.PHONY: check-summary

# The library as a user finds it: headers, pkg-config file and shared library where they were installed.
installcheck-local:
	@CC='$(CC)' CXX='$(CXX)' PKG_CONFIG='$(PKG_CONFIG)' SANITIZER_CFLAGS='$(SANITIZER_CFLAGS)' \
	    $(SHELL) $(srcdir)/tests/installed.sh '$(srcdir)/tests' '$(DESTDIR)' '$(libdir)' '$(bindir)'
