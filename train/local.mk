train_sources = train/adadelta.c train/adafactor.c train/adagrad.c train/adam.c train/adamax.c train/callbacks.c \
    train/check.c train/compile.c train/compile_config.c train/early_stopping.c train/evaluate.c train/fit.c train/ftrl.c \
    train/gradients.c train/guard.c train/history.c train/lamb.c train/lion.c train/losses.c train/losses_classes.c train/losses_regions.c \
    train/losses_regression.c train/metrics.c train/metrics_confusion.c train/metrics_mean.c train/metrics_score.c \
    train/model_checkpoint.c train/model_program.c train/muon.c train/nadam.c train/optimizer.c train/predict.c \
    train/rmsprop.c train/schedule_free_adamw.c train/schedules.c train/sgd.c train/step.c train/train_step.c \
    train/training.c train/update.c
