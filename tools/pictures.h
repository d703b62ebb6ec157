/* Pictures of samples. */
#ifndef MORU_TOOLS_PICTURES_H
#define MORU_TOOLS_PICTURES_H

#include "tools/source.h"

/* The first pictures of data with predicted and true class, as a PNG. */
moru_status picture_predictions(moru_model *model, const moru_dataset *data, const char *title, const char *path);
/* The first pictures of data with their classes. */
moru_status picture_samples(const moru_dataset *data, const char *path);

#endif
