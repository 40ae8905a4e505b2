#pragma once

#include "data/formats/coco_annotations.h"
#include "data/formats/json_record.h"

/// How the objects in the lists of a COCO file are read; not for other folders. Each takes the object that was just
/// begun and returns whether it is good.
namespace rtdetr {

/// An image without `file_name` gets that of `coco_url`, as LVIS means it: the last two parts of its path.
bool read_coco_image(JsonReader& json, JsonRecord& record, CocoAnnotations::Image& image);
/// A name that is a number, true or false is the text that stands there: tools make such of names like "1" or "yes".
bool read_coco_category(JsonReader& json, JsonRecord& record, CocoAnnotations::Category& category);
bool read_coco_annotation(JsonReader& json, JsonRecord& record, MetricTruth& truth);

}  // namespace rtdetr
