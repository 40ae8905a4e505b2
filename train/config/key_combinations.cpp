#include "train/config/key_combinations.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>

#include "core/base/device_choice.h"
#include "core/base/error.h"
#include "core/base/text.h"
#include "train/config/command_table.h"
#include "train/config/run_length.h"

namespace rtdetr {
namespace {

std::string extension_of(const std::string& file) { return std::filesystem::path(file).extension().string(); }

class Combinations {
 public:
  explicit Combinations(const Settings& settings) : s_(settings) {}

  void check_run(bool model_is_runs) {
    if (s_.quiet && s_.verbose) problem("quiet and verbose exclude each other: keep one");
    if (s_.resume != "false" && s_.resume != "auto")
      for (const char* key : {"weights", "backbone_weights"}) exclude("resume", key, "that run has its own weights");
    if (s_.weights_parts != "all" && s_.weights.empty() && s_.resume == "false")
      problem("weights_parts=" + s_.weights_parts + s_.origin_of("weights_parts") +
              " is a part of weights=; give both");
    if (s_.schedule == "multistep" && s_.milestones.empty())
      problem("schedule=multistep" + s_.origin_of("schedule") + " needs milestones=, e.g. milestones=40,55");
    if (!std::is_sorted(s_.milestones.begin(), s_.milestones.end()))
      problem("milestones" + s_.origin_of("milestones") + " must ascend");
    if (s_.command == Command::kTrain && s_.amp == "int8")
      problem("amp=int8" + s_.origin_of("amp") + " is for val, predict and benchmark; train has bf16 and fp16");
    check_optimizer();
    check_schedule();
    check_switched_off();
    check_flat_cosine();
    check_places();
    if (s_.command == Command::kTrain && !model_is_runs && extension_of(s_.model) == ".safetensors") check_model_file();
  }

  void check_files() {
    if (s_.command == Command::kCheck) check_check();
    if (s_.command == Command::kConvert) check_convert();
    if (s_.command == Command::kBenchmark) check_benchmark();
    if (s_.command == Command::kCompare) check_compare();
    if (s_.save_conf && !s_.save_txt)
      problem("save_conf=true" + s_.origin_of("save_conf") + " adds a column to the files of save_txt=true; give both");
    if (s_.command == Command::kPredict && s_.reduced_jpeg && (s_.save || s_.save_crop))
      problem("reduced_jpeg=true" + s_.origin_of("reduced_jpeg") +
              " needs save=false and save_crop=false: a picture that is drawn into or cut out of is read whole");
    check_tiles();
    if (s_.command == Command::kExport && !s_.output.empty()) check_export();
  }

  /// One process for each GPU that is named, and only training has several.
  void check_devices() {
    try {
      const DeviceChoice choice = device_choice(s_.device, s_.origin_of("device"));
      const auto gpus = static_cast<std::int64_t>(choice.gpus.size());
      const std::string device = "device=" + s_.device + s_.origin_of("device");
      if (gpus > 1 && s_.command != Command::kTrain)
        problem(device + ": " + info_of(s_.command).name + " uses one GPU; give the number of one");
      const bool agree = gpus == 0 || choice.each_its_own || s_.nproc == gpus;
      if (!agree && (s_.nproc != 1 || is_typed(s_, "nproc")))
        problem(device + " has one process for each GPU, " + std::to_string(gpus) +
                ", but nproc=" + std::to_string(s_.nproc) + s_.origin_of("nproc") + "; leave nproc away");
    } catch (const ConfigError& error) {
      problem(error.what());
    }
  }

  std::vector<std::string> problems;

 private:
  void problem(const std::string& text) { problems.push_back(text); }
  void exclude(const char* a, const char* b, const char* why) {
    if (s_.is_given(a) && s_.is_given(b)) problem(std::string(a) + " and " + b + " exclude each other: " + why);
  }
  void check_tiles() {
    constexpr std::int64_t kSmallest = 32;
    if (s_.tile > 0 && s_.tile < kSmallest)
      problem("tile=" + std::to_string(s_.tile) + s_.origin_of("tile") + ": a tile has at least " +
              std::to_string(kSmallest) + " pixels a side; 0 is none");
    if (s_.tile > 0 && s_.reduced_jpeg)
      problem("tile and reduced_jpeg exclude each other: tiles are for what a smaller picture has lost");
    for (const char* key : {"overlap", "tile_whole"})
      if (s_.tile == 0 && is_typed(s_, key)) problem(key + ("=" + s_.origin_of(key)) + " is for tile=; give both");
  }
  /// A recipe's numbers of the other optimizers stay unused; who types one wants it used.
  void check_optimizer() {
    const bool is_sgd = s_.optimizer == "sgd", is_muon = s_.optimizer == "muon";
    for (const char* key : {"beta1", "beta2"})
      if (is_sgd && is_typed(s_, key))
        problem(key + ("=" + s_.origin_of(key)) + " is AdamW's; of optimizer=sgd it is momentum=");
    if (!is_sgd && !is_muon && is_typed(s_, "momentum"))
      problem("momentum=" + s_.origin_of("momentum") + " is for optimizer=sgd and muon; of adamw it is beta1=");
    if (!is_sgd && is_typed(s_, "warmup_momentum"))
      problem("warmup_momentum=" + s_.origin_of("warmup_momentum") + " is for optimizer=sgd; with " + s_.optimizer +
              " the momentum is the same in all steps");
  }
  /// Of this very call: a run that goes on has words of older ones.
  bool is_typed_now(const char* key) const {
    const auto found = s_.given.find(key);
    return found != s_.given.end() && found->second == "command line";
  }
  /// The same of the schedules.
  void check_schedule() {
    struct NumberOfSchedules {
      const char* key;
      std::vector<std::string> schedules;
    };
    const std::array<NumberOfSchedules, 6> numbers{{{"lrf", {"linear", "cosine", "flat_cosine"}},
                                                    {"hold", {"linear", "cosine"}},
                                                    {"milestones", {"multistep"}},
                                                    {"gamma", {"multistep"}},
                                                    {"flat_until", {"flat_cosine"}},
                                                    {"tail_from", {"flat_cosine"}}}};
    for (const auto& [key, schedules] : numbers)
      if (is_typed_now(key) && std::find(schedules.begin(), schedules.end(), s_.schedule) == schedules.end())
        problem(key + ("=" + s_.origin_of(key)) + " is for schedule=" + join(schedules, " or ") +
                "; it is schedule=" + s_.schedule + s_.origin_of("schedule"));
  }
  /// Numbers of what is switched off.
  void check_switched_off() {
    for (const char* key : {"warmup", "warmup_bias_lr", "warmup_momentum"})
      if (s_.warmup_steps == 0 && is_typed_now(key))
        problem(key + ("=" + s_.origin_of(key)) + " is of a warm-up, and warmup_steps=0" +
                s_.origin_of("warmup_steps") + " has none");
    if (s_.ema_decay == 0 && is_typed_now("ema_ramp"))
      problem("ema_ramp=" + s_.origin_of("ema_ramp") + " is of an average, and ema_decay=0" +
              s_.origin_of("ema_decay") + " has none");
  }
  /// A run that the clock alone ends has no epochs to count.
  void check_flat_cosine() {
    if (s_.schedule != "flat_cosine" || s_.time <= 0 || s_.is_given("epochs")) return;
    for (const auto& [key, at] : {std::pair{"flat_until", s_.flat_until}, {"tail_from", s_.tail_from}})
      if (at > 1)
        problem(key + ("=" + format_short(at)) + s_.origin_of(key) +
                " is an epoch, and time= alone ends this run; give a share of the run, up to 1, or epochs= too");
  }
  /// A share and an epoch are compared where epochs end the run. A rate that stays (lrf=1) has no order of them.
  void require_order(const char* first, double begin, const char* second, double end, bool may_meet, const char* why) {
    const bool mixed = (begin > 1) != (end > 1);
    if (mixed && (s_.time > 0 || !s_.is_given("epochs"))) return;
    const auto place = [&](double at) { return mixed && at > 1 ? at / static_cast<double>(s_.epochs) : at; };
    if (place(begin) < place(end) || (may_meet && place(begin) == place(end))) return;
    problem(first + ("=" + format_short(begin)) + s_.origin_of(first) + " is not before " + second + "=" +
            format_short(end) + s_.origin_of(second) + ": " + why);
  }
  void check_places() {
    if (s_.schedule == "flat_cosine" && s_.lrf != 1)
      require_order("flat_until", s_.flat_until, "tail_from", s_.tail_from, true,
                    "the learning rate falls between them");
    if (s_.strong_from > 0)
      require_order("strong_from", s_.strong_from, "strong_until", s_.strong_until, false,
                    "there would be no strong augmentation");
    if (s_.mosaic_from > 0)
      require_order("mosaic_from", s_.mosaic_from, "mosaic_until", s_.mosaic_until, false,
                    "there would be no mosaic and no mixup");
    const bool drawn_at_once = (s_.mosaic > 0 && s_.mosaic_kind != "deim") || s_.affine > 0;
    if (s_.multi_scale_nearest && drawn_at_once && s_.resume == "false")
      problem("multi_scale_nearest=true" + s_.origin_of("multi_scale_nearest") +
              " is for pictures that are resized in two steps; affine= and mosaic_kind=ultralytics draw theirs in one");
    if (s_.last_stage_retry && !s_.is_given("last_stage"))
      problem("last_stage_retry=true" + s_.origin_of("last_stage_retry") +
              " needs last_stage=, where the stage begins");
    if (s_.last_stage != 1 && is_typed(s_, "last_stage") && !s_.val)
      problem("last_stage" + s_.origin_of("last_stage") + " goes back to the best weights, and val=false finds none");
  }
  /// Of which train takes the YAML, if it is said what becomes of the weights.
  void check_model_file() {
    const std::string model = "model=" + s_.model + s_.origin_of("model");
    if (s_.weights.empty())
      problem(model + ": train builds its model from a YAML; add weights=" + s_.model +
              " to start from a checkpoint, or give resume=" + s_.model + " alone to continue its run");
    if (s_.is_given("scale"))
      problem("scale=" + s_.scale + s_.origin_of("scale") + " is for model YAMLs; " + model + " has its own");
  }
  void check_onnx() {
    if (s_.dtype == "bf16")
      problem("dtype=bf16" + s_.origin_of("dtype") +
              ": format=onnx is written in fp32 or fp16; Conv of opset 17 takes no bfloat16");
  }

  void check_calibration() {
    const std::string what = "calibrate=" + s_.calibrate + s_.origin_of("calibrate");
    if (s_.format != "safetensors") problem(what + " is for format=safetensors: other programs calibrate themselves");
    if (s_.dtype != "fp32")
      problem(what + " is for dtype=fp32, and dtype=" + s_.dtype + s_.origin_of("dtype") +
              " rounds the weights before int8 does");
  }

  void check_export() {
    const std::string extension = extension_of(s_.output);
    const std::string what = "output=" + s_.output + s_.origin_of("output") + ": format=" + s_.format;
    const bool is_folder = s_.format == "hf";
    if (!is_folder && !s_.format.empty() && extension != exported_ending(s_.format))
      problem(what + " is written to a file ending in " + exported_ending(s_.format));
    if (is_folder && (extension == ".safetensors" || extension == ".json"))
      problem(what + " is a folder of three files; give the folder's name");
    if ((is_folder || s_.format == "official-pth") && !s_.verify.empty())
      problem("verify=" + s_.verify + s_.origin_of("verify") +
              " is for format=safetensors and onnx, which are fused; format=" + s_.format +
              " is compared tensor by tensor");
    if (!s_.calibrate.empty()) check_calibration();
    if (s_.format == "onnx") return check_onnx();
    for (const char* key : {"outputs", "grid_sample", "dynamic"})
      if (s_.is_given(key)) problem(key + s_.origin_of(key) + " is for format=onnx alone");
    if (s_.format == "official-pth" && !s_.license.empty())
      problem("license=" + s_.license + s_.origin_of("license") +
              ": a file of format=official-pth has no place for it");
  }
  void check_check() {
    exclude("data", "annotations", "check one data set YAML, or one annotations file");
    if (s_.annotations.empty() != s_.images.empty())
      problem("check needs annotations= and images= together");
    else if (s_.data.empty() && s_.annotations.empty())
      problem("check needs data=, or annotations= and images=; e.g. " + info_of(s_.command).example);
    for (const char* key : {"conf", "split"})
      if (s_.is_given(key) && s_.model.empty())
        problem(std::string(key) + "=" + s_.origin_of(key) + " is for model=, which judges the labels");
    if (s_.is_given("split") && s_.data.empty()) problem("split=" + s_.origin_of("split") + " is one of data='s");
  }

  void check_benchmark() {
    const std::string extension = extension_of(s_.output);
    if (!s_.output.empty() && extension != ".png" && extension != ".jpg" && extension != ".jpeg")
      problem("output=" + s_.output + s_.origin_of("output") + ": benchmark draws a picture, .png or .jpg");
    if (s_.batches.empty()) problem("batch=" + s_.origin_of("batch") + " has no number");
    if (!s_.front) {
      for (const char* key : {"data", "split", "queries", "sizes", "pictures", "budget_ms"})
        if (s_.is_given(key)) problem(std::string(key) + "=" + s_.origin_of(key) + " is for front=true");
      if (s_.parts && s_.amp == "int8")
        problem("parts=true" + s_.origin_of("parts") + " times the plain model, which has no int8; leave out amp=int8");
      return;
    }
    if (s_.data.empty()) problem("front=true needs data=, on which AP is measured; e.g. data=bccd");
    for (const auto& [key, instead] :
         {std::pair{"num_queries", "queries="}, std::pair{"imgsz", "sizes="}, std::pair{"source", "data="},
          std::pair{"batch", "one picture at a time"}, std::pair{"conf", "every score"},
          std::pair{"iou", "the model file's"}, std::pair{"agnostic_nms", "the model file's"},
          std::pair{"parts", "whole models"}, std::pair{"reduced_jpeg", "pictures that are decoded already"}})
      if (s_.is_given(key))
        problem(std::string(key) + "=" + s_.origin_of(key) + ": front=true takes " + instead + " instead");
    if (s_.thread_counts.size() > 1)
      problem("threads=" + s_.origin_of("threads") + ": front=true compares at one number of threads");
  }

  void check_compare() {
    const std::size_t runs = s_.topics.size();
    if (runs < 2)
      problem("compare needs the folders of two or more runs, and has " + std::to_string(runs) + "; e.g. " +
              info_of(s_.command).example);
    if (!s_.output.empty() && extension_of(s_.output) != ".html")
      problem("output=" + s_.output + s_.origin_of("output") + ": compare writes a page, which ends in .html");
  }

  /// A file of weights, or a data set.
  void check_convert() {
    if (s_.weights.empty()) {
      for (const char* key : {"model", "imgsz", "num_queries", "yaml"})
        if (s_.is_given(key)) problem(std::string(key) + "=" + s_.origin_of(key) + " is for weights=");
      return;
    }
    exclude("weights", "format", "weights become a model file, which is a safetensors file");
    exclude("weights", "copy", "there are no pictures to copy");
    if (extension_of(s_.output) != ".safetensors" && !s_.output.empty())
      problem("output=" + s_.output + s_.origin_of("output") + ": a model file ends in .safetensors");
    if (!s_.yaml.empty() && extension_of(s_.yaml) != ".yaml")
      problem("yaml=" + s_.yaml + s_.origin_of("yaml") + ": a model YAML ends in .yaml");
  }

  const Settings& s_;
};

}  // namespace

std::string exported_ending(const std::string& format) {
  if (format == "hf") return "-hf";
  return format == "official-pth" ? ".pth" : "." + format;
}

std::vector<std::string> wrong_combinations(const Settings& settings, bool model_is_runs) {
  Combinations combinations(settings);
  combinations.check_run(model_is_runs);
  combinations.check_files();
  combinations.check_devices();
  return std::move(combinations.problems);
}

}  // namespace rtdetr
