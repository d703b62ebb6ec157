/** @file
 * Moru: deep learning in C. Includes everything.
 */
#ifndef MORU_H
#define MORU_H

#include <moru/version.h>
#include <moru/status.h>
#include <moru/tensor.h>
#include <moru/random.h>
#include <moru/graph.h>
#include <moru/op.h>
#include <moru/ops.h>
#include <moru/program.h>
#include <moru/layers.h>
#include <moru/model.h>
#include <moru/dataset.h>
#include <moru/train.h>
#include <moru/train_step.h>
#include <moru/formats.h>

#endif
