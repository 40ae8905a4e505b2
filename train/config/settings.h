#pragma once

#include "core/base/cpp20.h"

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/image/fit.h"
#include "core/image/image_size.h"

namespace rtdetr {

/// Value of criterion= that leaves the choice to the model.
inline constexpr const char* kCriterionOfModel = "auto";

/// What the program can be told to do.
enum class Command {
  kTrain,
  kVal,
  kPredict,
  kExport,
  kBenchmark,
  kInfo,
  kCheck,
  kConvert,
  kCocoEval,
  kCompare,
  kHelp,
  kVersion
};

/// One entry of `param_groups` in a recipe: parameters whose key the regular expression is found in (ECMAScript,
/// look-ahead included, as in the official configs). Two groups may not match one parameter.
struct ParamGroupRule {
  std::string match;
  double lr_scale = 1;                 ///< times lr0; in a file either `lr_scale:` or `lr:` (stored as lr / lr0)
  std::optional<double> weight_decay;  ///< absent = the key weight_decay
  std::string where;                   ///< file:line, for messages
};

/// Every key of the program, typed, after defaults < cfg=FILE < command line. Field names are the keys. The defaults
/// here are the program's; names, units, meanings, ranges and the commands a key belongs to are in
/// train/config/key_table.cpp, the defaults that differ from command to command in command_table.cpp, and what a key
/// does to the option structs in options.h.
struct Settings {
  Command command = Command::kHelp;

  // what is worked on
  std::string model;             ///< model YAML or checkpoint
  std::string data;              ///< data set YAML
  std::string cfg;               ///< recipe: a YAML file of keys
  std::string scale;             ///< scale letter of the model YAML; empty = by the file's name
  std::string weights;           ///< train: checkpoint whose weights the run starts from (fine-tuning)
  std::string backbone_weights;  ///< train: ImageNet weights of the backbone; weights= comes after it
  /// train: parts of the model that take weights=: all, backbone, backbone+encoder
  std::string weights_parts = "all";
  std::string split = "val";

  // machine and output
  std::string device = "cpu";
  bool deterministic = false;  ///< on a GPU the same bits every time; the CPU always does
  std::string amp = "off";     ///< number type of the model's products: off, bf16, fp16, auto
  bool tf32 = true;            ///< on a card: products and convolutions of float32 may round to TF32
  std::int64_t threads = 0;    ///< compute threads; 0 = one per physical core (main.cpp applies it)
  std::int64_t nproc = 1;      ///< processes that train together, started by this one (train/process/job.h)
  std::int64_t workers = 4;    ///< threads that read pictures; 0 = none of their own
  std::int64_t prefetch = 2;   ///< finished batches that wait at most
  std::int64_t batch = 16;
  ImageSize imgsz;  ///< see resolve_image_size
  std::string resample = "pillow";
  std::string fit = "stretch";
  std::string engine = "auto";
  std::int64_t seed = 0;
  std::string project = "runs/train";
  std::string name = "exp";
  bool exist_ok = false;
  bool json = false;
  bool quiet = false;
  std::string progress = "auto";  ///< see log::ProgressForm
  bool verbose = false;

  // length of a run, resuming, saving
  std::int64_t epochs = 72;
  double time = 0;               ///< hours; 0 = no limit. Stops the run, and the schedule decays by it
  std::string resume = "false";  ///< "false", "auto" or a checkpoint
  double save_every = 300;       ///< seconds between two writes of last.safetensors inside an epoch; 0 = epochs only
  std::int64_t save_steps = 0;   ///< the same in steps, whichever comes first; 0 = by time only
  std::int64_t save_period = 0;  ///< also keep epoch-N.safetensors every so many epochs; 0 = never
  bool val = true;
  std::int64_t val_every = 1;     ///< epochs between two validations; the last epoch is always validated
  std::int64_t val_steps = 0;     ///< the same in steps, inside epochs too, instead of val_every; 0 = by epochs
  std::int64_t patience = 0;      ///< epochs without a better AP after which the run ends; 0 = never
  bool check_space = true;        ///< a run for whose checkpoints there is no room does not start
  double last_stage = 1;          ///< see switch_off_reached: the run goes on from its best weights there; 1 = nowhere
  bool last_stage_retry = false;  ///< and again after each epoch that is no better
  double max_bad = 0.001;         ///< share of missing or unreadable pictures above which the run stops
  std::int64_t cache_mib = 0;     ///< memory for decoded pictures; 0 = none
  bool check = false;             ///< only show the resolved plan
  bool plots = true;              ///< pictures of what goes in and comes out, in the run folder
  /// Largest picture that is decoded: see PictureLimits.
  std::int64_t max_pixels = 64'000'000;

  // optimizer and schedule
  std::string optimizer = "adamw";
  double lr0 = 1e-4;  ///< of every parameter to which param_groups give no other: recipes slow the backbone there
  double lrf = 0.01;  ///< final learning rate as a share of lr0 (linear, cosine, flat_cosine)
  double hold = 0;    ///< share of the run before it falls (linear, cosine)
  double weight_decay = 1e-4;
  double beta1 = 0.9;
  double beta2 = 0.999;
  double momentum = 0.937;       ///< sgd, muon
  double warmup_momentum = 0.8;  ///< sgd: where it begins
  double warmup_bias_lr = 0;     ///< where the biases' rate begins; see warm_biases
  std::int64_t nbs = 0;          ///< nominal batch: see settle_nominal_batch; 0 = none
  double flat_until = 0.5;       ///< flat_cosine: see switch_off_reached; from there it falls
  double tail_from = 0.9;        ///< flat_cosine: see switch_off_reached; from there it is lrf · lr0
  std::int64_t warmup_steps = 2000;
  std::string warmup = "linear";             ///< linear from 1/warmup_steps, quadratic, or from_zero
  std::string schedule = "constant";         ///< constant, linear, cosine, multistep, flat_cosine
  std::vector<std::int64_t> milestones;      ///< multistep: epochs
  double gamma = 0.1;                        ///< multistep: factor at each milestone
  double clip_norm = 0.1;                    ///< 0 = no clipping
  double ema_decay = 0.9999;                 ///< 0 = no EMA
  double ema_ramp = 2000;                    ///< d(t) = ema_decay · (1 − exp(−t / ema_ramp))
  bool sync_bn = true;                       ///< BatchNorm over the pictures of all processes
  std::int64_t accumulate = 1;               ///< batches per optimizer step
  double layer_decay = 1;                    ///< see decay_by_layer; 1 = every layer learns at its group's rate
  std::vector<ParamGroupRule> param_groups;  ///< only in a recipe; empty: see train/optim/param_groups.h

  // augmentation (probabilities unless said)
  double photometric = 0.5;
  double zoom_out = 0.5;
  double zoom_out_max = 4;
  double iou_crop = 0.8;
  double flip = 0.5;
  double flip_vertical = 0;
  double rotate90 = 0;
  double min_box = 1;  ///< pixels
  double mosaic = 0;
  double mosaic_scale = 0.5;
  double mosaic_translate = 0.1;
  double affine = 0;                       ///< probability of the same for a picture that is no mosaic
  double hsv_h = 0, hsv_s = 0, hsv_v = 0;  ///< gains, see TransformOptions
  double mixup = 0;
  double copy_blend = 0;
  std::string mosaic_kind = "ultralytics", mixup_kind = "ultralytics";  ///< or deim
  double multi_scale = 0.25;            ///< share by which the side varies; see multi_scale_sides. 0 = off
  std::int64_t multi_scale_repeat = 3;  ///< how often the side itself is among them
  bool multi_scale_nearest = false;     ///< in two steps, as the official code
  // epochs or shares of the run, see switch_off_reached
  double strong_from = 0, strong_until = 1;  ///< photometric, zoom-out, crop, mosaic and mixup are between these
  double mosaic_from = 0, mosaic_until = 1;  ///< mosaic and mixup are between these, too
  double multi_scale_until = 1;

  // model, 0 = the file's own value
  std::int64_t nc = 0;
  std::int64_t num_queries = 0;
  std::int64_t decoder_layers = 0;
  std::string freeze;  ///< train: parameters whose name it is found in are not trained; empty = all are

  // loss (defaults = CriterionOptions; another criterion brings its own, see settle_criterion)
  std::string criterion = kCriterionOfModel;  ///< official, ultralytics, dfine, yolov8, dino
  double loss_class = 1, loss_bbox = 5, loss_giou = 2;
  double cost_class = 2, cost_bbox = 5, cost_giou = 2;
  double cost_alpha = 0.25, cost_gamma = 2;
  double vfl_alpha = 0.75, vfl_gamma = 2;
  std::string class_loss = "vfl";
  double focal_alpha = 0.25, focal_gamma = 2;
  double mal_gamma = 1.5, mal_alpha = 1;
  double iou_eps = 0;
  double loss_fgl = 0, loss_ddf = 0, loss_dfl = 0;
  std::string box_weight = "none";
  std::string box_pairs = "auto";       ///< auto: the criterion's
  std::int64_t overlap_costs_from = 0;  ///< epoch; 0 = never
  bool share_matches = false;
  std::int64_t one_to_many = 0;  ///< extra matches per box for the encoder's queries; 0 = off

  // predict, export, benchmark, check, convert, coco-eval
  std::string source;                ///< pictures, folders, lists (.txt) or patterns with commas between, or -
  double conf = 0.5;                 ///< val: 0 = where the mean F1 is best
  std::string classes;               ///< predict, val: names or numbers with commas between; empty = all
  bool one_class_per_query = false;  ///< predict, val: of each query its best class alone
  double iou = 0.7;                  ///< of a YOLO: overlap above which the worse of two detections goes; 1: none
  bool agnostic_nms = false;         ///< of a YOLO: of another class, too
  std::int64_t max_det = 300;        ///< predict: detections per picture at most
  std::int64_t vid_stride = 1;       ///< predict: of so many frames of a video the first is looked at
  std::int64_t tile = 0;             ///< predict, val: side of the tiles that large pictures are cut into; 0 = none
  double overlap = 0.2;              ///< share of a tile that its neighbour has, too
  bool tile_whole = true;            ///< the picture as a whole is one more view
  bool save = true;                  ///< predict: write drawn pictures
  bool save_crop = false;            ///< predict: write what is in each box
  bool save_txt = false;
  bool save_conf = false;  ///< predict: a sixth column in the files of save_txt
  bool save_json = false;
  bool exif = false;                 ///< predict: turn pictures upright
  bool reduced_jpeg = false;         ///< predict, benchmark: DetectorOptions::reduced_jpeg
  std::string format;                ///< export: safetensors, onnx, official-pth, hf; convert: coco, yolo
  std::string outputs = "official";  ///< export, onnx: official, raw, ultralytics
  bool grid_sample = false;          ///< export, onnx: GridSample instead of Gather
  bool dynamic = false;              ///< export, onnx: height and width are free
  /// export: number type of the weights in the file; what its licence is called, empty = what the model's file says
  std::string dtype = "fp32", license;
  bool copy = false;  ///< convert: copies of the pictures instead of links
  std::string yaml;   ///< convert: file of the model's YAML, which is written beside weights
  std::string output;
  std::string verify;                        ///< export: folder of pictures or data set YAML to compare on
  std::string calibrate;                     ///< export: pictures or data set YAML to calibrate on
  std::int64_t verify_pictures = 500;        ///< export: most pictures of a data set whose AP is measured
  std::int64_t runs = 20;                    ///< benchmark: timed repetitions
  std::vector<std::int64_t> batches{1};      ///< benchmark, batch=
  std::vector<std::int64_t> thread_counts;   ///< benchmark, threads=; empty = as other commands' threads=0
  bool front = false;                        ///< benchmark: AP over milliseconds
  bool parts = false;                        ///< benchmark: what backbone, encoder and decoder take
  std::vector<std::int64_t> sizes, queries;  ///< benchmark, front: what is tried; empty = shares of the model's own
  std::int64_t pictures = 0;                 ///< benchmark, front: of the split that is evaluated; 0 = all
  double budget_ms = 0;                      ///< benchmark, front: time for a picture; 0 = none is chosen
  std::string annotations;                   ///< COCO JSON file
  std::string results;                       ///< COCO results file
  std::string images;                        ///< folder of pictures

  std::vector<std::string> topics;  ///< words after `help`; folders after `compare`

  /// Where each key that is not at its default was given: "recipe.yaml:12" or "command line".
  std::map<std::string, std::string> given;
  bool is_given(const std::string& key) const { return given.count(key) != 0; }
  /// " (recipe.yaml:12)" for messages about a value that turns out wrong later; "" for a default.
  std::string origin_of(const std::string& key) const;
};

/// Whether the command line, or else its recipe, says json=true; also where parse_command_line throws.
bool asks_for_json(std::span<const std::string> arguments);

/// The run's args.yaml: all keys of the command in table order, reading back through cfg= to the same settings.
std::string settings_to_yaml(const Settings& settings);

/// imgsz= when given, else the model file's (checkpoint) size, else 640 × 640.
/// @param fit  with kKeepRatio the sides are limits, and may be any numbers
/// @throws ConfigError  if a side is no multiple of `stride`, naming the nearest sizes that are
ImageSize resolve_image_size(const Settings& settings, std::optional<ImageSize> of_model, std::int64_t stride,
                             Fit fit = Fit::kStretch);

/// Sides that multi_scale stands for: multiples of `stride` from (1 − share) to (1 + share) times `side`, the side
/// itself `repeat` times, as the official lists 480 … 800 for 640 and 0.25. Empty when share is 0.
std::vector<std::int64_t> multi_scale_sides(std::int64_t side, double share, std::int64_t stride,
                                            std::int64_t repeat = 3);

}  // namespace rtdetr
