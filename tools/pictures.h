/* What training on images ends with: test pictures with their labels, and the curves. */
#ifndef MORU_TOOLS_PICTURES_H
#define MORU_TOOLS_PICTURES_H

#include "tools/source.h"

/* Writes PREFIX.predictions.png: pictures of data with predicted and true class. */
moru_status picture_predictions(moru_model *model, const moru_dataset *data, const char *title, const char *path);
/* Pictures of data with their classes. */
moru_status picture_samples(const moru_dataset *data, const char *path);

#endif
