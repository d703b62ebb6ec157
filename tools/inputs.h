/* Inputs and targets of a model from an HDF5 file. */
#ifndef MORU_TOOLS_INPUTS_H
#define MORU_TOOLS_INPUTS_H

#include "tools/command.h"

/* Reads "x" (or "x0", "x1", ..., or the inputs' own names) as the model's inputs: new tensors. */
moru_status inputs_read(const moru_model *model, const char *path, moru_tensor *inputs[MORU_MAX_OUTPUTS]);
/* Reads "target" (or "target0", ...). Integers stay integers. */
moru_status targets_read(const moru_model *model, const char *path, moru_tensor *targets[MORU_MAX_OUTPUTS]);
/* Puts the file in front of the library's sentence about arrays that don't fit, and returns status. */
moru_status inputs_refused(moru_status status, const char *path);
void tensors_free(moru_tensor *tensors[MORU_MAX_OUTPUTS]);

#endif
