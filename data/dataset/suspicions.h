#pragma once

#include "data/dataset/data_problem.h"
#include "data/dataset/dataset.h"

namespace rtdetr {

/// Reports in `problems` what no single annotation shows, and all of a split together do. Errors, because nothing could
/// be learnt or judged: every annotation is a crowd; boxes of COCO or VOC are fractions. Warnings: their boxes look
/// like corners; pictures of a YOLO split share a label file.
void find_suspicions(const Dataset& dataset, ProblemCollector& problems);

}  // namespace rtdetr
