#include "core/base/choices.h"
#include "core/base/precision.h"
#include "core/base/progress.h"
#include "core/image/placement.h"
#include "core/image/resize.h"
#include "core/onnx/onnx_outputs.h"
#include "data/dataset/dataset.h"
#include "models/graph/weights_parts.h"
#include "train/config/key_section.h"
#include "train/config/keys.h"
#include "train/optim/amp.h"

/// The rows of all commands; those of a training run are in key_table_training.cpp. Order is the order of help,
/// args.yaml and the reference page.
namespace rtdetr {

namespace {

using namespace key_table;

void add_input_keys(std::vector<Key>& keys) {
  Section s(keys, "what to work on");
  s.path("model", &Settings::model, kModelUsers | kConvert | kCheck, "rtdetr-n.yaml",
         "model YAML, or a file of weights: a checkpoint (.safetensors), or a .pth, .pt or folder of another program; "
         "train: a YAML, or with weights= a checkpoint, whose YAML it is; convert: a YAML, for weights whose model is "
         "not to be recognised; check: weights, to tell which labels they object to")
      .on_resume = kMayChange;
  s.path(
       "data", &Settings::data, kTrain | kVal | kBenchmark | kCheck | kConvert, "bccd",
       "data set YAML, or the name of one that comes along; convert: what is converted, or with weights= the classes' "
       "names")
      .on_resume = kMayChange;
  s.path("cfg", &Settings::cfg, kEvery, "small-data",
         "recipe: a YAML file of keys, or the name of one that comes along; the command line wins over it")
      .on_resume = kOfOneCall;
  s.add("scale", &Settings::scale, kTrain | kExport | kBenchmark | kInfo, "", "l",
        "scale letter of the model YAML; by default the one in its name, else the first")
      .on_resume = kMayChange;
  s.path(
       "weights", &Settings::weights, kTrain | kConvert, "best.safetensors",
       "checkpoint, PyTorch file of official RT-DETR or Ultralytics, or Hugging Face model (its folder or file), whose "
       "weights the run starts from; classes are matched by name; not read by a run that is continued. convert: what "
       "becomes a model file")
      .on_resume = kOfOneCall;
  s.choice("weights_parts", &Settings::weights_parts, kTrain, words_of(kWeightsPartsWords),
           "parts of the model that take them; the others begin as in a new model")
      .on_resume = kOfOneCall;
  s.path("backbone_weights", &Settings::backbone_weights, kTrain, "ResNet50_vd_ssld_v2_pretrained_from_paddle.pth",
         "weights that the backbone starts from: the official storage's, torchvision's, timm's or MAE's; weights= "
         "comes after it; not read by a run that is continued")
      .on_resume = kOfOneCall;
  s.choice("split", &Settings::split, kVal | kBenchmark | kCheck, {kSplitKeys.begin(), kSplitKeys.end()},
           "part of the data set; check: whose labels model= judges, by default of all");
  s.path(
      "source", &Settings::source, kPredict | kBenchmark, "photos/",
      "a picture, a folder of pictures, a .txt list of them, or a pattern such as 'photos/*.jpg'; 'photos/**/*.jpg' is "
      "the folder with all below it. Several with commas between. predict: - is standard input, one picture's bytes or "
      "a list; videos, too, where ffmpeg is installed, streams (rtsp://…, https://…) and, not tried yet, cameras (0, "
      "/dev/video0)");
  s.path("annotations", &Settings::annotations, kCheck | kCocoEval, "instances_val2017.json",
         "annotations in COCO's JSON format");
  s.path("images", &Settings::images, kCheck, "val2017/", "folder of the pictures the annotations name");
  s.path("results", &Settings::results, kCocoEval, "predictions.json", "detections in COCO's results format");
}

void add_output_keys(std::vector<Key>& keys) {
  Section s(keys, "output");
  s.choice("format", &Settings::format, kExport, {"safetensors", "onnx", "official-pth", "hf"},
           "what is written: safetensors, fused, for every command here and Detector; onnx, fused, for other engines; "
           "official-pth, for the official code in Python; hf, a folder for Hugging Face's transformers");
  s.choice("format", &Settings::format, kConvert, words_of(kWritableFormatWords), "format of the written data set");
  s.path("output", &Settings::output, kExport | kConvert | kCheck | kBenchmark | kCompare, "model.safetensors",
         "file that is written; convert: new folder, or with weights= a model file; check: picture of labels (.jpg, "
         ".png), and with model= another of the doubted ones beside it; benchmark: picture of the speeds, or of the "
         "front; compare: the page (.html)");
  s.path("yaml", &Settings::yaml, kConvert, "model.yaml",
         "with weights=: the model's YAML is written into this file, too, for train and to be changed");
  s.choice(
      "outputs", &Settings::outputs, kExport, words_of(kOnnxOutputsWords),
      "format=onnx: labels, boxes and scores as the official export; logits and pred_boxes; or Ultralytics' output0");
  s.flag("grid_sample", &Settings::grid_sample, kExport,
         "format=onnx: sample maps with GridSample instead of Gather, for engines with a good kernel");
  s.flag(
      "dynamic", &Settings::dynamic, kExport,
      "format=onnx: height and width are free in the file, too, multiples of the model's stride (32); by default they "
      "are imgsz=");
  s.choice(
      "dtype", &Settings::dtype, kExport, words_of(kFloatWords),
      "number type of the weights in the file; half types are half as large, and read back as float32. format=onnx: "
      "fp32 or fp16, in which engines then compute");
  s.add("license", &Settings::license, kExport, "", "apache-2.0",
        "of the weights, written into the file; by default what the model's file says");
  s.flag("copy", &Settings::copy, kConvert,
         "copy the pictures, so that the new folder stands alone; otherwise they are links to the originals");
  s.path(
      "verify", &Settings::verify, kExport, "photos/",
      "format=safetensors, onnx: folder of pictures, data set YAML or the name of one that comes along, to compare the "
      "exported model on; by default a seeded input. Of a half type a data set tells the AP that it costs");
  s.path(
      "calibrate", &Settings::calibrate, kExport, "photos/",
      "format=safetensors: pictures like those that the model will see, a folder of them, a data set YAML (its train "
      "split) or the name of one that comes along: what the model's products are given on 128 of them is written "
      "into the file, which amp=int8 needs; with a data set in verify=, the AP that int8 costs is told");
  s.number("verify_pictures", &Settings::verify_pictures, kExport, 1, 1e9, "pictures", "500",
           "of a data set's pictures that AP is measured on, evenly spread");
  s.path("project", &Settings::project, kFolderMakers, "runs/train", "folder of run folders").on_resume = kMayChange;
  s.add("name", &Settings::name, kFolderMakers, "", "exp", "name of the run folder; taken names become exp-2, exp-3 …")
      .on_resume = kMayChange;
  s.flag("exist_ok", &Settings::exist_ok, kFolderMakers, "write into an existing run folder").on_resume = kOfOneCall;
  s.flag("save", &Settings::save, kPredict, "write pictures and videos with the detections drawn in");
  s.flag("save_crop", &Settings::save_crop, kPredict,
         "write crops/<class>/<picture>.jpg, what is in each box; of a video <video>_<frame>.jpg");
  s.flag("save_txt", &Settings::save_txt, kPredict,
         "write labels/<picture>.txt, YOLO's format: class, centre x, y, width, height as fractions; of a video "
         "labels/<video>_<frame>.txt");
  s.flag("save_conf", &Settings::save_conf, kPredict, "save_txt: write the score as a sixth column");
  s.flag("save_json", &Settings::save_json, kVal | kPredict,
         "val: write predictions.json, COCO's results format; predict: write detections.json, the detections of each "
         "picture, and <video>.jsonl, a line for each frame");
  s.flag("exif", &Settings::exif, kPredict,
         "turn pictures upright as their EXIF orientation says; boxes and drawn pictures are upright then. A data set "
         "says it in its YAML");
  s.flag("reduced_jpeg", &Settings::reduced_jpeg, kPredict | kBenchmark,
         "decode a JPEG at least twice as large as imgsz at a half, a quarter or an eighth of its sides, not below "
         "imgsz: faster for large photographs, and scores move a little. predict: with save=false, for pictures that "
         "are drawn into are read whole");
  s.number(
      "conf", &Settings::conf, kPredict | kVal | kCheck | kBenchmark, 0, 1, "", "0.5",
      "smallest score of a detection, by default the model file's own, at which F1 was best on val, else 0.5; val: of "
      "the confusion matrix, precision and recall, 0 = where F1 is best; check: of a detection that speaks against "
      "labels; benchmark: a YOLO's suppression begins there, 0.001 as when AP is measured");
  s.add("classes", &Settings::classes, kPredict | kVal, "", "person,car",
        "these classes alone, names or numbers from 0 on with commas between; others take no place among the "
        "detections. val: AP is theirs alone");
  s.flag("one_class_per_query", &Settings::one_class_per_query, kPredict | kVal,
         "a query gives one detection, of its best class; false = the best pairs of query and class, as the official "
         "code has it, so that one object may be found under two classes");
  s.number("iou", &Settings::iou, kPredict | kVal | kBenchmark, 0, 1, "", "0.7",
           "of a YOLO's detections one goes that overlaps a better one of its class by more than this, by default as "
           "the model file says; 1 = none goes. An RT-DETR's are not suppressed");
  s.flag("agnostic_nms", &Settings::agnostic_nms, kPredict | kVal | kBenchmark,
         "of a YOLO: one that overlaps a better one of any class goes; by default as the model file says");
  s.number("max_det", &Settings::max_det, kPredict, 1, 100000, "detections", "300",
           "detections per picture at most, the best; with tile= of each tile, too");
  s.number("vid_stride", &Settings::vid_stride, kPredict, 1, 1000000, "frames", "5",
           "of so many frames of a video, camera or stream the first is looked at; a drawn video has these alone");
  s.number("tile", &Settings::tile, kPredict | kVal, 0, 16384, "pixels", "640",
           "small objects in large pictures: overlapping tiles of this side go through the model, each at imgsz, and "
           "what they find is merged; 0 = the picture goes through as a whole");
  s.number("overlap", &Settings::overlap, kPredict | kVal, 0, 0.9, "share", "0.2",
           "tile=: share of a tile that its neighbour has, too; more than the objects' share of a tile");
  s.flag("tile_whole", &Settings::tile_whole, kPredict | kVal,
         "tile=: the whole picture is one more view, for objects that are larger than the overlap");
  s.flag("plots", &Settings::plots, kTrain | kVal,
         "write pictures of labels and predictions into the run folder, and a page of all that was found, index.html; "
         "train: "
         "curves, for TensorBoard too")
      .on_resume = kMayChange;
  s.flag("json", &Settings::json, kEvery, "stdout is one JSON document and nothing else").on_resume = kOfOneCall;
  s.flag("quiet", &Settings::quiet, kEvery,
         "only warnings and errors on stderr; progress only where progress= asks for it")
      .on_resume = kOfOneCall;
  s.choice(
       "progress", &Settings::progress, kWorkers | kCheck, words_of(log::kProgressWords),
       "how stderr tells where the work stands: auto = one live line on a terminal, a line every ten seconds "
       "elsewhere; plain = such lines everywhere; json = for programs, every line of stderr is one JSON object with "
       "a \"type\", messages too; none = not at all")
      .on_resume = kOfOneCall;
  s.flag("verbose", &Settings::verbose, kEvery, "more on stderr").on_resume = kOfOneCall;
}

void add_machine_keys(std::vector<Key>& keys) {
  Section s(keys, "machine");
  s.add("device", &Settings::device, kWorkers | kCheck, "", "cpu",
        "where to compute: cpu, auto (the first GPU if it answers, else the CPU), cuda, cuda:1, or numbers of GPUs: 0 "
        "or 0,1")
      .on_resume = kMayChange;
  s.flag(
       "deterministic", &Settings::deterministic, kTrain,
       "on a GPU: the same numbers to the last bit in every run on such a card, and after resume=, by algorithms that "
       "may be slower. The CPU computes so always")
      .on_resume = kMayChange;
  s.number("threads", &Settings::threads, (kWorkers & ~kBenchmark) | kInfo | kCheck | kCocoEval, 0, 4096, "threads",
           "4", "compute threads; 0 = $OMP_NUM_THREADS, else one per physical core")
      .on_resume = kMayChange;
  s.number("threads", &Settings::thread_counts, kBenchmark, 0, 4096, "threads", "1,2",
           "compute threads: one number, or several to compare; 0 = $OMP_NUM_THREADS, else one per physical core");
  s.number(
       "nproc", &Settings::nproc, kTrain, 1, 1024, "processes", "2",
       "processes on this machine that share the work of a run, e.g. device=cpu nproc=2: started by this one, which "
       "passes signals on and ends all if one fails. What they write comes with \"rank 1: \" before each line, but "
       "for the first's. device=0,1,2,3 starts one for each GPU without it. Under torchrun or srun these start them, "
       "and nproc= stays away")
      .on_resume = kMayChange;
  s.number("workers", &Settings::workers, kTrain | kVal | kPredict | kBenchmark, 0, 1024, "threads", "4",
           "threads that read and transform pictures (predict: and write them); results do not depend on it")
      .on_resume = kMayChange;
  s.number("prefetch", &Settings::prefetch, kTrain, 1, 1024, "batches", "2",
           "finished batches that wait for the model at most; more bridge pictures that are slow to read")
      .on_resume = kMayChange;
  s.number("batch", &Settings::batch, kTrain | kVal | kPredict, 1, 65536, "pictures", "16",
           "pictures per step, of all processes together");
  s.number("batch", &Settings::batches, kBenchmark, 1, 65536, "pictures", "1,4,8",
           "pictures per pass: one number, or several to compare");
  s.number(
       "imgsz", &Settings::imgsz, kModelUsers | kCheck | kConvert, 32, 16384, "pixels", "640",
       "input size: one side, or height,width; by default the checkpoint's, else 640; train: 640, whatever weights= "
       "learnt from")
      .on_resume = kMayChange;
  s.choice("resample", &Settings::resample, kTrain | kVal | kPredict, words_of(kResamplingWords),
           "how pictures are brought to imgsz: as Pillow does, antialiased (the official code), or as OpenCV does, "
           "linear (Ultralytics); val, predict: by default as the model file says, which is how it was trained");
  s.choice("fit", &Settings::fit, kTrain | kVal | kPredict | kBenchmark, words_of(kFitWords),
           "how pictures of any shape fill imgsz: stretch = both sides become imgsz (RT-DETR); letterbox = as large as "
           "they fit with their shape, in the middle, grey 114 around them (Ultralytics); keep_ratio = imgsz=800,1333 "
           "is the length of the shorter side and the limit of the longer one, any numbers, batches are padded and the "
           "model leaves padding out (DETR, DINO; heads with encoder_layers alone); by default val, predict and "
           "benchmark do as the model file says");
  s.number("seed", &Settings::seed, kTrain | kExport | kInfo | kBenchmark, 0, 9007199254740992.0, "", "0",
           "of initial weights and of every random draw");
  s.choice("amp", &Settings::amp, kTrain | kVal | kPredict | kBenchmark, words_of(kAmpWords),
           "number type of the model's products and convolutions: off = float32; auto = on a card bf16, or fp16 where "
           "the card has no bf16; on the CPU bf16 where the processor multiplies it and a self-test finds it faster. "
           "Boxes, matching and losses are "
           "float32 always. On a CPU without AVX512_BF16, bf16 is for engine=off and train. int8 is for a CPU with "
           "AVX512_VNNI and a file of export calibrate=, not for train. With fp16 train multiplies the loss by a "
           "factor that it finds itself. A run that is continued keeps the type that it began with")
      .on_resume = kMayChange;
  s.choice("engine", &Settings::engine, kPredict | kVal | kBenchmark, {"auto", "off"},
           "auto = on the CPU in float32, bf16 or int8 the model is prepared for it first: its operations joined, its "
           "weights "
           "in the order in which they are read, its memory planned; off = the plain model. The same detections, but "
           "for rounding");
  s.flag("tf32", &Settings::tf32, kWorkers,
         "on a card, products and convolutions of float32 may round their factors to 10 bits: true, because that takes "
         "half the time and is finer than bf16, with which models train as well; false = float32 to the last bit, to "
         "compare with the CPU, which never rounds so")
      .on_resume = kMayChange;
  s.number("cache_mib", &Settings::cache_mib, kTrain, 0, 1e7, "MiB", "512", "memory for decoded pictures").on_resume =
      kMayChange;
  s.number("max_bad", &Settings::max_bad, kTrain, 0, 1, "share", "0.001",
           "share of missing or unreadable pictures above which the run stops")
      .on_resume = kMayChange;
  s.number(
       "max_pixels", &Settings::max_pixels, kWorkers | kCheck, 1, 65500.0 * 65500.0, "pixels", "108000000",
       "largest picture that is decoded, width times height; while it is, it takes up to 4.2 bytes of memory a pixel "
       "and three times its file")
      .on_resume = kMayChange;
  s.number("runs", &Settings::runs, kBenchmark, 1, 1000000, "runs", "20", "timed repetitions");
  s.flag("parts", &Settings::parts, kBenchmark,
         "what backbone, encoder (a deformable one, too) and decoder take, in operations and in the plain model's "
         "milliseconds");
  s.flag("front", &Settings::front, kBenchmark,
         "with data=: AP and milliseconds of a checkpoint at every depth of its decoder, by queries=, sizes= and, with "
         "amp=, number type; and which of these choices no other one beats");
  s.number("queries", &Settings::queries, kBenchmark, 1, 10000, "queries", "100,300",
           "front=true: numbers of queries to try; by default a third, two thirds and all of the model's");
  s.number("sizes", &Settings::sizes, kBenchmark, 32, 16384, "pixels", "320,480,640",
           "front=true: sides of the input to try; by default half, three quarters and all of the checkpoint's");
  s.number("pictures", &Settings::pictures, kBenchmark, 0, 1e9, "pictures", "500",
           "front=true: evaluate only so many of the split, spread evenly; 0 = all");
  s.number("budget_ms", &Settings::budget_ms, kBenchmark, 0, 1e9, "milliseconds", "25",
           "front=true: choose the most accurate point that takes no longer for a picture; 0 = choose none");
}

}  // namespace

std::span<const Key> all_keys() {
  static const std::vector<Key> keys = [] {
    std::vector<Key> table;
    add_input_keys(table);
    add_output_keys(table);
    add_machine_keys(table);
    add_training_keys(table);
    return table;
  }();
  return keys;
}

}  // namespace rtdetr
