#pragma once

#include "core/image/picture.h"
#include "data/dataset/class_list.h"
#include "data/evaluation/coco_metric.h"
#include "data/evaluation/error_split.h"
#include "data/evaluation/operating_points.h"

namespace rtdetr {

// Of a class's name twenty letters are drawn; the middle of a longer one is left out.

/// Precision against recall at IoU 0.5, as COCO draws it: the mean of the classes, and each class if they are ten or
/// fewer, with AP50.
Picture precision_recall_picture(const MetricResult& result, const ClassList& classes);

/// What a curve over the confidence shows.
enum class CurveMeasure { kF1, kPrecision, kRecall };

/// One of them at IoU 0.5 against the confidence: the mean of the classes, and each class if they are ten or fewer. The
/// title says its best mean and the lowest confidence that has it.
Picture confidence_picture(const OperatingCurves& curves, const ClassList& classes, CurveMeasure measure);

/// What each kind of error costs of AP50, in points, and how many there are.
Picture error_split_picture(const ErrorSplit& split);

/// What the cells of a confusion matrix say: counts, from 1,000 on in thousands (1.2k), or each count's share of its
/// column, of all boxes of the class, to two digits.
enum class ConfusionCells { kCounts, kShares };

/// Shaded by their share of the column. Cells are as wide as the widest text.
Picture confusion_picture(const ConfusionMatrix& matrix, const ClassList& classes,
                          ConfusionCells cells = ConfusionCells::kCounts);

}  // namespace rtdetr
