#include "train/config/command_table.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "core/base/error.h"
#include "core/base/installation.h"
#include "core/base/text.h"
#include "data/dataset/dataset.h"
#include "train/config/keys.h"

namespace rtdetr {
namespace {

constexpr const char* kOneTask = "there is one task, detect";
constexpr const char* kNoTracks =
    "objects are not followed from frame to frame; rtdetr predict source=clip.mp4 save_json=true finds them in every "
    "frame, a line of JSON for each, for a tracker of yours";

std::string not_offered() {
  return "it is not offered; " + readable_page("docs/howto/coming_from_ultralytics.md") + " says what is";
}

/// Of a data set's format: "via is read alone …", whether it is written like that or run together; "" of all others.
std::string read_alone_answer(const std::string& value) {
  for (std::string word : words_of(kSplitFormatWords)) {
    const std::string typed = word;
    std::erase(word, '_');
    if (value == typed || value == word)
      return typed + " is read alone; " + readable_page("docs/howto/data-sets.md") + " says why";
  }
  return "";
}

}  // namespace

std::span<const CommandInfo> all_commands() {
  static const std::vector<CommandInfo> commands = {
      {Command::kTrain,
       "train",
       "trains a model",
       "rtdetr train cfg=small-data model=rtdetr-n data=bccd",
       {"model", "data"}},
      {Command::kVal,
       "val",
       "evaluates a checkpoint: AP, AR and time of every decoder layer",
       "rtdetr val model=best.safetensors data=my.yaml",
       {"model", "data"}},
      {Command::kPredict,
       "predict",
       "finds objects in pictures",
       "rtdetr predict model=best.safetensors source=photos/",
       {"model", "source"}},
      {Command::kExport,
       "export",
       "writes a fused model for deployment",
       "rtdetr export model=best.safetensors format=safetensors output=m.safetensors",
       {"model", "format", "output"}},
      {Command::kBenchmark,
       "benchmark",
       "measures decoding, preprocessing, model and postprocessing",
       "rtdetr benchmark model=rtdetr-n.yaml imgsz=320 runs=50",
       {"model"}},
      {Command::kInfo,
       "info",
       "shows a model's rows, parameters and operations",
       "rtdetr info model=rtdetr-l.yaml",
       {"model"}},
      {Command::kCheck, "check", "examines a data set", "rtdetr check data=configs/datasets/bccd.yaml", {}},
      {Command::kConvert,
       "convert",
       "makes a model file of foreign weights, or converts a data set",
       "rtdetr convert weights=rtdetr_r50vd_6x_coco.pth output=best.safetensors",
       {"output"}},
      {Command::kCocoEval,
       "coco-eval",
       "evaluates a COCO results file",
       "rtdetr coco-eval annotations=instances_val2017.json results=predictions.json",
       {"annotations", "results"}},
      {Command::kCompare,
       "compare",
       "shows training runs on one page: curves, numbers, settings",
       "rtdetr compare runs/train/exp runs/train/exp-2 output=compare.html",
       {}},
      {Command::kHelp, "help", "explains a command or a key", "rtdetr help train", {}},
      {Command::kVersion, "version", "shows the versions of the program and its parts", "rtdetr version", {}},
  };
  return commands;
}

const CommandInfo& info_of(Command command) {
  for (const CommandInfo& info : all_commands())
    if (info.command == command) return info;
  throw InternalError("a command is missing from the command table");
}

const CommandInfo* find_command(const std::string& name) {
  for (const CommandInfo& info : all_commands())
    if (info.name == name) return &info;
  return nullptr;
}

void apply_command_defaults(Command command, Settings& settings) {
  settings.command = command;
  if (command == Command::kVal) {
    settings.project = "runs/val";
    settings.conf = 0;
    settings.batch = 8;
  }
  if (command == Command::kCompare) settings.output = "compare.html";
  if (command == Command::kPredict) {
    settings.project = "runs/predict";
    settings.batch = 1;
    settings.workers = 2;
  }
}

std::string foreign_key_hint(const std::string& name, std::optional<Command> command) {
  static const std::vector<std::pair<std::string, std::string>> hints = {{"batch_size", "batch"},
                                                                         {"lr", "lr0"},
                                                                         {"learning_rate", "lr0"},
                                                                         {"img", "imgsz"},
                                                                         {"img_size", "imgsz"},
                                                                         {"imgsize", "imgsz"},
                                                                         {"image_size", "imgsz"},
                                                                         {"size", "imgsz"},
                                                                         {"gpus", "device"},
                                                                         {"gpu", "device"},
                                                                         {"fliplr", "flip"},
                                                                         {"flipud", "flip_vertical"},
                                                                         {"translate", "mosaic_translate"},
                                                                         {"close_mosaic", "mosaic_until"},
                                                                         {"cos_lr", "schedule=cosine"},
                                                                         {"warmup_epochs", "warmup_steps"},
                                                                         {"half", "amp=bf16"},
                                                                         {"half", "dtype=fp16"},
                                                                         {"max_norm", "clip_norm"},
                                                                         {"clip_max_norm", "clip_norm"},
                                                                         {"config", "cfg"},
                                                                         {"pretrained", "weights"},
                                                                         {"input", "source"},
                                                                         {"confidence", "conf"},
                                                                         {"threshold", "conf"},
                                                                         {"out", "output"},
                                                                         {"file", "output"},
                                                                         {"dataset", "data"},
                                                                         {"num_classes", "nc"},
                                                                         {"box", "loss_bbox"},
                                                                         {"cls", "loss_class"},
                                                                         {"num_workers", "workers"},
                                                                         {"save_dir", "project"},
                                                                         {"repeats", "runs"},
                                                                         {"queries", "num_queries"},
                                                                         {"cache", "cache_mib=2000"},
                                                                         {"dfl", "loss_dfl"},
                                                                         {"int8", "calibrate=photos/"},
                                                                         {"int8", "amp=int8"},
                                                                         {"quantize", "calibrate=photos/"},
                                                                         {"quantize", "amp=int8"}};
  for (const auto& [foreign, ours] : hints) {
    const std::string key = ours.substr(0, ours.find('='));
    const bool refused = command == Command::kTrain && ours == "amp=int8";
    if (foreign == name && !refused && (!command || !find_key(key) || find_key(key, *command))) return ours;
  }
  return "";
}

std::string absence_reason(const std::string& name) {
  constexpr const char* kFits =
      "fit= says how pictures fill imgsz: fit=letterbox pads them to it, fit=stretch does not; every batch has imgsz's "
      "shape, which may be any";
  constexpr const char* kWritten = "ONNX files are of opset 17, and have nothing left to simplify";
  constexpr const char* kClassifies = "it is for classifying; there is one task, detect";
  constexpr const char* kDataDecides = "training takes the data set's classes; leave others out of its files";
  static const std::string not_here = not_offered();
  static const std::vector<std::pair<std::string, std::string>> reasons = {
      {"nms", "a YOLO's detections are suppressed, unless iou=1 is said; an RT-DETR's are not"},
      {"rect", kFits},
      {"letterbox", kFits},
      {"single_cls", kDataDecides},
      {"task", kOneTask},
      {"mode", "the command is said already"},
      {"fraction", "name fewer pictures in the data set's files"},
      {"opset", kWritten},
      {"simplify", kWritten},
      {"degrees",
       "pictures are turned by up to 10 degrees where mosaic_kind=deim, and else not; rotate90= is the probability of "
       "a "
       "quarter turn"},
      {"erasing", kClassifies},
      {"auto_augment", kClassifies},
      {"crop_fraction", kClassifies},
      {"pose", kOneTask},
      {"kobj", kOneTask},
      {"overlap_mask", kOneTask},
      {"mask_ratio", kOneTask},
      {"retina_masks", kOneTask},
      {"tracker", kNoTracks},
      {"stream_buffer", "of a stream the newest frame is looked at, and those that came meanwhile are passed over"},
      {"workspace", "it is TensorRT's, which reads what format=onnx writes and is told there"},
      {"keras", "it is TensorFlow's, whose files are not written"},
      {"dnn", "it is OpenCV's, which no model runs in here"},
      {"label_smoothing", not_here},
      {"shear", not_here},
      {"perspective", not_here},
      {"bgr", not_here},
      {"copy_paste", not_here},
      {"copy_paste_mode", not_here},
      {"cutmix", not_here},
      {"dropout", not_here},
      {"compile", not_here},
      {"profile", not_here},
      {"show", not_here},
      {"line_width", not_here},
      {"visualize", not_here},
      {"embed", not_here},
      {"augment", not_here}};
  for (const auto& [foreign, reason] : reasons)
    if (foreign == name) return reason;
  return "";
}

std::string foreign_command_answer(const std::string& word) {
  constexpr auto kAbsent = std::to_array<std::string_view>(
      {"tune", "settings", "solutions", "hub", "login", "logout", "explorer", "streamlit-predict"});
  constexpr auto kTasks = std::to_array<std::string_view>({"segment", "pose", "obb", "classify"});
  if (word == "track") return kNoTracks;
  if (word == "checks") return "here it is rtdetr version";
  if (word == "cfg" || word == "copy-cfg") return "here it is rtdetr help train";
  if (std::ranges::count(kTasks, word) > 0) return kOneTask;
  return std::ranges::count(kAbsent, word) > 0 ? not_offered() : "";
}

std::string foreign_value_answer(Command command, const std::string& key, const std::string& value) {
  constexpr auto kAbsent = std::to_array<std::string_view>({"coreml", "saved_model", "pb", "tflite", "edgetpu", "tfjs",
                                                            "paddle", "mnn", "ncnn", "imx", "rknn", "executorch"});
  if (command == Command::kExport && key == "format") {
    if (value == "engine" || value == "openvino") return "give format=onnx, which TensorRT and OpenVINO read";
    if (value == "torchscript")
      return "it is not offered, " + readable_page("docs/decisions/0009-no-torchscript.md") + " says why";
    return std::ranges::count(kAbsent, value) > 0 ? not_offered() : "";
  }
  if (command == Command::kConvert && key == "format") return read_alone_answer(value);
  constexpr auto kKinOfAdam = std::to_array<std::string_view>({"adam", "adamax", "nadam", "radam", "rmsprop"});
  if (command == Command::kTrain && key == "optimizer") {
    if (value == "auto") return "it is not chosen for you; adamw is the default, and lr0= its rate";
    if (value == "musgd") return "it is not offered; muon is the nearest to it";
    return std::ranges::count(kKinOfAdam, value) > 0 ? "it is not offered; adamw is the nearest to it" : "";
  }
  const std::optional<double> number = parse_double(value);
  if (command == Command::kTrain && key == "batch" && number && (*number == -1 || (*number > 0 && *number < 1)))
    return "it is not chosen for you; check=true says what a step takes";
  return "";
}

}  // namespace rtdetr
