#pragma once

#include "data/dataset/data_problem.h"
#include "data/dataset/dataset.h"
#include "data/formats/named_annotations.h"

/// The annotations of labelling tools and data sets that are not COCO's, YOLO's or VOC's; not for other folders.
///
/// Each takes a split's folder of pictures and its annotations, and gives the boxes; of an outline (polygon, mask,
/// ellipse) or a turned box the upright box around it. What has no box is left out, counted and told. Faults are errors
/// with the file and the line or entry. Pictures that are missing stay.
/// @throws DataError  if a file is not of the format at all; IoError
namespace rtdetr {

/// labelme: a folder of JSON files, one for each annotated picture: `imagePath`, `imageWidth`, `imageHeight` and
/// `shapes` of `label`, `shape_type` and `points`. Also AnyLabeling's and X-AnyLabeling's, whose rectangles have four
/// points. Embedded pictures (`imageData`) are passed over.
/// Source: github.com/wkentaro/labelme, labelme/_label_file.py (load, save) and examples/bbox_detection.
NamedAnnotations read_labelme(const DatasetConfig::Split& split, ProblemCollector& problems);

/// "CVAT for images 1.1": one XML file, <annotations> of <image name width height> with <box xtl ytl xbr ybr rotation>,
/// <polygon points>, <mask left top width height>, <ellipse cx cy rx ry rotation>, each with a `label`. The labels of
/// its <meta> are the classes. Tracks of videos are refused. Source: docs.cvat.ai/docs/other/xml_format.
NamedAnnotations read_cvat(const DatasetConfig::Split& split, ProblemCollector& problems);

/// Label Studio's JSON and JSON-MIN: a list of tasks with `rectanglelabels`, `polygonlabels`, `ellipselabels` or
/// `labels`; x, y, width and height are percent of the picture, a box is turned about its left upper corner. Of several
/// people's annotations of one task the first that was not cancelled is taken. Source: labelstud.io/guide/task_format,
/// labelstud.io/guide/export, labelstud.io/tags/rectanglelabels.
NamedAnnotations read_label_studio(const DatasetConfig::Split& split, ProblemCollector& problems);

/// VGG Image Annotator 1 and 2: a project or exported annotations as JSON, or the exported CSV (columns filename,
/// region_shape_attributes, region_attributes, …). The class is the region's one attribute, or the one called class,
/// label, name, type, category or object.
/// Source: gitlab.com/vgg/via, its code documentation and its import and export functions.
NamedAnnotations read_via(const DatasetConfig::Split& split, ProblemCollector& problems);

/// Datumaro's JSON: `categories.label.labels` and `items` with `annotations` of a `type` and a `label_id`. CVAT writes
/// a turned box as a box with an attribute `rotation`. Source: openvinotoolkit.github.io/datumaro,
/// data-formats/datumaro_format; docs.cvat.ai, formats/format-datumaro.
NamedAnnotations read_datumaro(const DatasetConfig::Split& split, ProblemCollector& problems);

/// KITTI's object labels: a folder of text files, one for each picture, with rows of a type, truncation, occlusion,
/// alpha, left, top, right, bottom and seven numbers of the box in space, which are not read. DontCare regions are left
/// out. Source: the object development kit's readme.txt (cvlibs.net/datasets/kitti/eval_object.php).
NamedAnnotations read_kitti(const DatasetConfig::Split& split, ProblemCollector& problems);

/// A table with the columns filename, class, xmin, ymin, xmax, ymax (and width, height), a box in each row: Roboflow's
/// `_annotations.csv` and TensorFlow's tutorials. All pictures of the folder are taken; those without a row have no
/// objects.
/// Source: roboflow.com/formats/tensorflow-object-detection-csv.
NamedAnnotations read_csv_boxes(const DatasetConfig::Split& split, ProblemCollector& problems);

/// Open Images: a table with the columns ImageID, LabelName, XMin, XMax, YMin, YMax (fractions) and IsGroupOf, which is
/// a crowd. All pictures of the folder are taken, as people have parts of the set; rows of others are left out. Names
/// of classes are taken from a table of class descriptions (`*class-descriptions*.csv`) beside it, if there is one.
/// Source: storage.googleapis.com/openimages/web/download_v7.html, "Data Formats".
NamedAnnotations read_open_images(const DatasetConfig::Split& split, ProblemCollector& problems);

}  // namespace rtdetr
