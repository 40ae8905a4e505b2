#pragma once

#include "core/image/picture.h"
#include "data/dataset/class_list.h"
#include "data/evaluation/coco_metric.h"
#include "data/evaluation/error_split.h"
#include "data/evaluation/operating_points.h"

namespace rtdetr {

/// Precision against recall at IoU 0.5, as COCO draws it: the mean of the classes, and each class if they are ten or
/// fewer, with AP50.
Picture precision_recall_picture(const MetricResult& result, const ClassList& classes);

/// Mean F1, precision and recall against the confidence, and the F1 of each class if they are seven or fewer.
Picture f1_picture(const OperatingCurves& curves, const ClassList& classes);

/// What each kind of error costs of AP50, in points, and how many there are.
Picture error_split_picture(const ErrorSplit& split);

/// Counts, shaded by their share of the column; from 1,000 on in thousands (1.2k). Cells are as wide as the widest.
Picture confusion_picture(const ConfusionMatrix& matrix, const ClassList& classes);

}  // namespace rtdetr
