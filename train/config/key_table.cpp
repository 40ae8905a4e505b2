#include "train/config/keys.h"

#include "core/base/choices.h"
#include "core/base/precision.h"
#include "core/image/resize.h"
#include "core/onnx/onnx_outputs.h"
#include "data/dataset/dataset.h"
#include "losses/options.h"
#include "models/graph/weights_parts.h"
#include "train/optim/lr_schedule.h"
#include "train/optim/precision.h"

/// The rows. Order is the order of help, args.yaml and the reference page.
namespace rtdetr {

namespace {

constexpr double kNone = std::numeric_limits<double>::infinity();
constexpr Key::OnResume kMayChange = Key::OnResume::kMayChange, kOfOneCall = Key::OnResume::kOfOneCall;

constexpr CommandSet kTrain = bit(Command::kTrain), kVal = bit(Command::kVal), kPredict = bit(Command::kPredict),
                     kExport = bit(Command::kExport), kBenchmark = bit(Command::kBenchmark),
                     kInfo = bit(Command::kInfo), kCheck = bit(Command::kCheck), kConvert = bit(Command::kConvert),
                     kCocoEval = bit(Command::kCocoEval), kVersion = bit(Command::kVersion);
constexpr CommandSet kModelUsers = kTrain | kVal | kPredict | kExport | kBenchmark | kInfo;
constexpr CommandSet kWorkers = kTrain | kVal | kPredict | kExport | kBenchmark;
constexpr CommandSet kFolderMakers = kTrain | kVal | kPredict;
constexpr CommandSet kEvery = kModelUsers | kCheck | kConvert | kCocoEval | kVersion;

std::vector<std::string> criterion_words() {
  std::vector<std::string> words = words_of(kCriterionWords);
  words.insert(words.begin(), kCriterionOfModel);
  return words;
}

/// Rows of one section; the fields a row does not name keep their defaults.
class Section {
 public:
  Section(std::vector<Key>& keys, std::string name) : keys_(keys), name_(std::move(name)) {}

  Key& add(const char* name, KeyField field, CommandSet commands, const char* unit, const char* example,
           const char* meaning) {
    Key key;
    key.name = name;
    key.field = field;
    key.commands = commands;
    key.section = name_;
    key.unit = unit;
    key.example = example;
    key.meaning = meaning;
    return keys_.emplace_back(std::move(key));
  }
  Key& path(const char* name, std::string Settings::*field, CommandSet commands, const char* example,
            const char* meaning) {
    Key& key = add(name, field, commands, "", example, meaning);
    key.is_path = true;
    return key;
  }
  Key& number(const char* name, KeyField field, CommandSet commands, double low, double high, const char* unit,
              const char* example, const char* meaning) {
    Key& key = add(name, field, commands, unit, example, meaning);
    key.low = low;
    key.high = high;
    return key;
  }
  Key& above(const char* name, KeyField field, CommandSet commands, double low, double high, const char* unit,
             const char* example, const char* meaning) {
    Key& key = number(name, field, commands, low, high, unit, example, meaning);
    key.above_low = true;
    return key;
  }
  Key& choice(const char* name, std::string Settings::*field, CommandSet commands, std::vector<std::string> choices,
              const char* meaning) {
    Key& key = add(name, field, commands, "", choices.front().c_str(), meaning);
    key.choices = std::move(choices);
    return key;
  }
  Key& flag(const char* name, bool Settings::*field, CommandSet commands, const char* meaning) {
    return add(name, field, commands, "", "true", meaning);
  }

 private:
  std::vector<Key>& keys_;
  std::string name_;
};

void add_input_keys(std::vector<Key>& keys) {
  Section s(keys, "what to work on");
  s.path("model", &Settings::model, kModelUsers | kConvert, "rtdetr-n.yaml",
         "model YAML, or a file of weights: a checkpoint (.safetensors), or a .pth, .pt or folder of another program; "
         "train takes a YAML, and so does convert, for weights whose model is not to be recognised")
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
         "ImageNet weights that the backbone starts from: the official storage's, torchvision's or timm's; weights= "
         "comes after it; not read by a run that is continued")
      .on_resume = kOfOneCall;
  s.choice("split", &Settings::split, kVal | kBenchmark, {kSplitKeys.begin(), kSplitKeys.end()},
           "part of the data set");
  s.path(
      "source", &Settings::source, kPredict | kBenchmark, "photos/",
      "a picture, a folder of pictures, a .txt list of them, or a pattern such as 'photos/*.jpg'; 'photos/**/*.jpg' is "
      "the folder with all below it");
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
  s.path("output", &Settings::output, kExport | kConvert | kCheck | kBenchmark, "model.safetensors",
         "file that is written; convert: new folder, or with weights= a model file; check: picture of labels (.jpg, "
         ".png); benchmark: picture of the speeds, or of the front");
  s.choice(
      "outputs", &Settings::outputs, kExport, words_of(kOnnxOutputsWords),
      "format=onnx: labels, boxes and scores as the official export; logits and pred_boxes; or Ultralytics' output0");
  s.flag("grid_sample", &Settings::grid_sample, kExport,
         "format=onnx: sample maps with GridSample instead of Gather, for engines with a good kernel");
  s.choice("dtype", &Settings::dtype, kExport, words_of(kPrecisionWords),
           "number type of the weights in the file; half types are half as large, and read back as float32");
  s.add("license", &Settings::license, kExport, "", "apache-2.0",
        "of the weights, written into the file; by default what the model's file says");
  s.flag("copy", &Settings::copy, kConvert,
         "copy the pictures, so that the new folder stands alone; otherwise they are links to the originals");
  s.path("verify", &Settings::verify, kExport, "photos/",
         "format=safetensors, onnx: folder of pictures or data set YAML to compare the exported model on; by default a "
         "seeded input. Of a half type a data set tells the AP that it costs");
  s.path("project", &Settings::project, kFolderMakers, "runs/train", "folder of run folders").on_resume = kMayChange;
  s.add("name", &Settings::name, kFolderMakers, "", "exp", "name of the run folder; taken names become exp-2, exp-3 …")
      .on_resume = kMayChange;
  s.flag("exist_ok", &Settings::exist_ok, kFolderMakers, "write into an existing run folder").on_resume = kOfOneCall;
  s.flag("save", &Settings::save, kPredict, "write pictures with the detections drawn in");
  s.flag("save_txt", &Settings::save_txt, kPredict,
         "write labels/<picture>.txt, YOLO's format: class, centre x, y, width, height as fractions");
  s.flag("save_conf", &Settings::save_conf, kPredict, "save_txt: write the score as a sixth column");
  s.flag("save_json", &Settings::save_json, kVal | kPredict,
         "val: write predictions.json, COCO's results format; predict: write detections.json, the detections of each "
         "picture");
  s.flag("exif", &Settings::exif, kPredict,
         "turn pictures upright as their EXIF orientation says; boxes and drawn pictures are upright then. A data set "
         "says it in its YAML");
  s.number(
      "conf", &Settings::conf, kPredict | kVal, 0, 1, "", "0.5",
      "smallest score of a detection, by default the model file's own, at which F1 was best on val, else 0.5; val: of "
      "the confusion matrix, precision and recall, 0 = where F1 is best");
  s.flag("plots", &Settings::plots, kTrain | kVal, "write pictures of labels and predictions into the run folder")
      .on_resume = kMayChange;
  s.flag("json", &Settings::json, kEvery, "stdout is one JSON document and nothing else").on_resume = kOfOneCall;
  s.flag("quiet", &Settings::quiet, kEvery, "only warnings and errors on stderr").on_resume = kOfOneCall;
  s.flag("verbose", &Settings::verbose, kEvery, "more on stderr").on_resume = kOfOneCall;
}

void add_machine_keys(std::vector<Key>& keys) {
  Section s(keys, "machine");
  s.add("device", &Settings::device, kWorkers, "", "cpu",
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
  s.number(
      "threads", &Settings::thread_counts, kBenchmark, 1, 4096, "threads", "1,2",
      "compute threads: one number, or several to compare; by default $OMP_NUM_THREADS, else one per physical core");
  s.number(
       "nproc", &Settings::nproc, kTrain, 1, 1024, "processes", "2",
       "processes on this machine that share the work of a run, e.g. device=cpu nproc=2: started by this one, which "
       "passes signals on and ends all if one fails. What they write comes with \"rank 1: \" before each line, but "
       "for the first's. device=0,1,2,3 starts one for each GPU without it. Under torchrun or srun these start them, "
       "and nproc= stays away")
      .on_resume = kMayChange;
  s.number("workers", &Settings::workers, kTrain | kVal | kBenchmark, 0, 1024, "threads", "4",
           "threads that read and transform pictures; results do not depend on it")
      .on_resume = kMayChange;
  s.number("prefetch", &Settings::prefetch, kTrain, 1, 1024, "batches", "2",
           "finished batches that wait for the model at most; more bridge pictures that are slow to read")
      .on_resume = kMayChange;
  s.number("batch", &Settings::batch, kTrain | kVal | kPredict, 1, 65536, "pictures", "16",
           "pictures per step, of all processes together");
  s.number("batch", &Settings::batches, kBenchmark, 1, 65536, "pictures", "1,4,8",
           "pictures per pass: one number, or several to compare");
  s.number("imgsz", &Settings::imgsz, kModelUsers | kCheck | kConvert, 32, 16384, "pixels", "640",
           "input size: one side, or height,width; by default the checkpoint's, else 640")
      .on_resume = kMayChange;
  s.choice("resample", &Settings::resample, kTrain | kVal | kPredict, words_of(kResamplingWords),
           "how pictures are brought to imgsz: as Pillow does, antialiased (the official code), or as OpenCV does, "
           "linear (Ultralytics); val, predict: by default as the model file says, which is how it was trained");
  s.number("seed", &Settings::seed, kTrain | kExport | kInfo | kBenchmark, 0, 9007199254740992.0, "", "0",
           "of initial weights and of every random draw");
  s.choice("amp", &Settings::amp, kTrain | kVal | kPredict | kBenchmark, words_of(kAmpWords),
           "number type of the model's products and convolutions: off = float32; auto = on a card bf16, or fp16 where "
           "the card has no bf16; on the CPU bf16 where a self-test finds it faster. Boxes, matching and losses are "
           "float32 always. With fp16 train multiplies the loss by a factor that it finds itself. A run that is "
           "continued keeps the type that it began with")
      .on_resume = kMayChange;
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

void add_run_keys(std::vector<Key>& keys) {
  Section s(keys, "length of the run");
  s.number("epochs", &Settings::epochs, kTrain, 1, 1000000, "epochs", "72", "passes over the training pictures")
      .on_resume = kMayChange;
  s.number("time", &Settings::time, kTrain, 0, 100000, "hours", "0.25",
           "stop after so long and let the schedule end there; what a recipe says in steps or epochs is fitted to the "
           "steps "
           "that this machine makes in that time; 0 = no limit")
      .on_resume = kMayChange;
  s.path("resume", &Settings::resume, kTrain, "auto",
         "auto or true continues the run in <project>/<name>, a checkpoint or run folder continues that one; without "
         "model= "
         "and data= it goes on as it was told; false starts anew")
      .on_resume = kOfOneCall;
  s.flag("check", &Settings::check, kTrain,
         "print the resolved plan (model, data, memory, time, disk) after three trial steps, and stop; nothing is "
         "written")
      .on_resume = kOfOneCall;
  s.number("save_every", &Settings::save_every, kTrain, 0, 1e9, "seconds", "300",
           "time between two writes of last.safetensors inside an epoch; 0 = at epoch ends only")
      .on_resume = kMayChange;
  s.number("save_steps", &Settings::save_steps, kTrain, 0, 1e9, "steps", "1000",
           "the same in steps, whichever comes first; 0 = by time only")
      .on_resume = kMayChange;
  s.number("save_period", &Settings::save_period, kTrain, 0, 1000000, "epochs", "10",
           "keep epoch-N.safetensors every so many epochs; 0 = never")
      .on_resume = kMayChange;
  s.flag("check_space", &Settings::check_space, kTrain,
         "do not start when the disk has no room for two checkpoints; false where it says less than it has")
      .on_resume = kMayChange;
  s.flag("val", &Settings::val, kTrain, "validate during training").on_resume = kMayChange;
  s.number("val_every", &Settings::val_every, kTrain, 1, 1000000, "epochs", "1",
           "epochs between two validations; a recipe's value is lowered so that there are five")
      .on_resume = kMayChange;
  s.number("val_steps", &Settings::val_steps, kTrain, 0, 1e9, "steps", "1000",
           "the same in steps, inside epochs too, and then instead of val_every; 0 = by epochs, or what suits a run "
           "by time= of fewer than five")
      .on_resume = kMayChange;
  s.number("patience", &Settings::patience, kTrain, 0, 1000000, "epochs", "20",
           "end the run after so many epochs without a better AP; 0 = never")
      .on_resume = kMayChange;
}

void add_optimizer_keys(std::vector<Key>& keys) {
  Section s(keys, "optimizer and schedule");
  s.choice("optimizer", &Settings::optimizer, kTrain, {"adamw"}, "how the weights are updated");
  s.above("lr0", &Settings::lr0, kTrain, 0, 10, "", "0.0001", "learning rate");
  s.number("lrf", &Settings::lrf, kTrain, 0, 1, "share of lr0", "0.01", "learning rate at the end (linear, cosine)");
  s.number("hold", &Settings::hold, kTrain, 0, 1, "share of the run", "0.5",
           "linear, cosine: how long the learning rate stays at lr0 before it falls");
  s.choice("schedule", &Settings::schedule, kTrain, words_of(kScheduleWords), "learning rate after the warm-up");
  s.number("milestones", &Settings::milestones, kTrain, 1, 1000000, "epochs", "40,55",
           "multistep: where the learning rate is multiplied by gamma");
  s.above("gamma", &Settings::gamma, kTrain, 0, 1, "", "0.1", "multistep: factor at each milestone");
  s.number("warmup_steps", &Settings::warmup_steps, kTrain, 0, 1e9, "steps", "2000",
           "steps over which the learning rate rises from 0");
  s.number("weight_decay", &Settings::weight_decay, kTrain, 0, 1, "", "0.0001", "decoupled weight decay");
  s.number("beta1", &Settings::beta1, kTrain, 0, 0.999999, "", "0.9", "decay of the mean of the gradients");
  s.number("beta2", &Settings::beta2, kTrain, 0, 0.99999999, "", "0.999", "decay of the mean of their squares");
  s.number("clip_norm", &Settings::clip_norm, kTrain, 0, kNone, "", "0.1",
           "largest norm of all gradients together; 0 = no limit");
  s.flag("sync_bn", &Settings::sync_bn, kTrain,
         "several processes: BatchNorm over the pictures of all of them, as one process has it; false = each its own, "
         "which waits less");
  s.number("accumulate", &Settings::accumulate, kTrain, 1, 65536, "batches", "1", "batches per optimizer step");
  s.number("ema_decay", &Settings::ema_decay, kTrain, 0, 0.99999999, "", "0.9999",
           "of the averaged weights, which are evaluated and exported; 0 = no average");
  s.above("ema_ramp", &Settings::ema_ramp, kTrain, 0, 1e9, "steps", "2000",
          "the average's decay at step t is ema_decay · (1 − exp(−t / ema_ramp))");
  s.add("param_groups", &Settings::param_groups, kTrain, "", "[{match: backbone, lr_scale: 0.1}]",
        "recipe only: list of {match: regular expression, lr_scale: or lr:, weight_decay:}");
}

void add_augmentation_keys(std::vector<Key>& keys) {
  Section s(keys, "augmentation");
  s.number("photometric", &Settings::photometric, kTrain, 0, 1, "probability", "0.5", "change of colours");
  s.number("zoom_out", &Settings::zoom_out, kTrain, 0, 1, "probability", "0.5", "picture on a larger black canvas");
  s.number("zoom_out_max", &Settings::zoom_out_max, kTrain, 1, 16, "sides", "4", "largest side of that canvas");
  s.number("iou_crop", &Settings::iou_crop, kTrain, 0, 1, "probability", "0.8", "crop that keeps boxes");
  s.number("flip", &Settings::flip, kTrain, 0, 1, "probability", "0.5", "left becomes right");
  s.number("flip_vertical", &Settings::flip_vertical, kTrain, 0, 1, "probability", "0", "top becomes bottom");
  s.number("rotate90", &Settings::rotate90, kTrain, 0, 1, "probability", "0", "turn by 90, 180 or 270 degrees");
  s.number("mosaic", &Settings::mosaic, kTrain, 0, 1, "probability", "0", "four pictures in one");
  s.number("mosaic_scale", &Settings::mosaic_scale, kTrain, 0, 0.99, "share", "0.5",
           "a mosaic is seen at 1 minus this to 1 plus this of its size");
  s.number("mosaic_translate", &Settings::mosaic_translate, kTrain, 0, 0.5, "share of a side", "0.1",
           "a mosaic is shifted by up to this much");
  s.number("mixup", &Settings::mixup, kTrain, 0, 1, "probability", "0", "two pictures blended, with the boxes of both");
  s.number("multi_scale", &Settings::multi_scale, kTrain, 0, 0.75, "share of imgsz", "0.25",
           "vary the input size per batch by up to this share; 0 = off");
  s.flag("multi_scale_nearest", &Settings::multi_scale_nearest, kTrain,
         "to imgsz first and from there with nearest neighbours, as the official code; otherwise straight to the drawn "
         "size");
  s.number(
      "strong_until", &Settings::strong_until, kTrain, 0, 1000000, "share of the run, or epoch", "0.9",
      "photometric, zoom_out, iou_crop, mosaic and mixup stop there: up to 1 a share of the run, above 1 an epoch");
  s.number("multi_scale_until", &Settings::multi_scale_until, kTrain, 0, 1000000, "share of the run, or epoch", "0.9",
           "multi_scale stops there, in the same way");
}

void add_model_keys(std::vector<Key>& keys) {
  Section s(keys, "model (by default what its file says)");
  s.number("nc", &Settings::nc, kTrain | kExport | kInfo | kBenchmark, 0, 100000, "classes", "80",
           "number of classes of a model YAML; train takes the data set's; 0 = the file's");
  s.number("num_queries", &Settings::num_queries, kModelUsers | kCheck | kConvert, 0, 10000, "queries", "300",
           "detections per picture: the best so many of the encoder's tokens; 0 = the file's");
  s.number("decoder_layers", &Settings::decoder_layers, kModelUsers, 0, 64, "layers", "3",
           "use only the first layers of the decoder; 0 = all");
  s.add("freeze", &Settings::freeze, kTrain, "", "backbone",
        "regular expression: parameters whose name contains a match are not trained");
}

void add_loss_keys(std::vector<Key>& keys) {
  Section s(keys, "loss");
  s.choice("criterion", &Settings::criterion, kTrain, criterion_words(),
           "whose loss: the official code's, or Ultralytics' (its constants, its divisor, its focal loss for batches "
           "without boxes); auto = the one that the model's decoder was published with");
  s.number("loss_class", &Settings::loss_class, kTrain, 0, 1000, "", "1", "weight of the classification loss");
  s.number("loss_bbox", &Settings::loss_bbox, kTrain, 0, 1000, "", "5", "weight of the L1 loss");
  s.number("loss_giou", &Settings::loss_giou, kTrain, 0, 1000, "", "2", "weight of the GIoU loss");
  s.number("cost_class", &Settings::cost_class, kTrain, 0, 1000, "", "2", "matcher: weight of the class cost");
  s.number("cost_bbox", &Settings::cost_bbox, kTrain, 0, 1000, "", "5", "matcher: weight of the L1 cost");
  s.number("cost_giou", &Settings::cost_giou, kTrain, 0, 1000, "", "2", "matcher: weight of the GIoU cost");
  s.number("cost_alpha", &Settings::cost_alpha, kTrain, 0, 1, "", "0.25",
           "matcher: weight of the target's class in the focal class cost");
  s.number("cost_gamma", &Settings::cost_gamma, kTrain, 0, 10, "", "2", "matcher: focusing exponent of that cost");
  s.choice("class_loss", &Settings::class_loss, kTrain, words_of(kClassLossWords),
           "varifocal, matchability-aware (DEIM), focal, or binary cross-entropy");
  s.number("vfl_alpha", &Settings::vfl_alpha, kTrain, 0, 1, "", "0.75", "vfl: weight of the unmatched queries");
  s.number("vfl_gamma", &Settings::vfl_gamma, kTrain, 0, 10, "", "2",
           "vfl: focusing exponent of the unmatched queries");
  s.number("focal_alpha", &Settings::focal_alpha, kTrain, 0, 1, "", "0.25", "focal: weight of the matched queries");
  s.number("focal_gamma", &Settings::focal_gamma, kTrain, 0, 10, "", "2", "focal: focusing exponent");
  s.number("mal_gamma", &Settings::mal_gamma, kTrain, 0, 10, "", "1.5", "mal: exponent of overlap and score");
  s.choice("box_weight", &Settings::box_weight, kTrain, words_of(kBoxWeightWords),
           "a pair's overlap by which its GIoU loss is weighed (RT-DETRv2's boxes_weight_format)");
  s.flag("share_matches", &Settings::share_matches, kTrain,
         "all decoder layers take the last one's pairs (RT-DETRv2's share_matched_indices)");
  s.number("one_to_many", &Settings::one_to_many, kTrain, 0, 100, "matches", "0",
           "additional matches per box for the encoder's queries; some help small data sets");
}

}  // namespace

std::span<const Key> all_keys() {
  static const std::vector<Key> keys = [] {
    std::vector<Key> table;
    add_input_keys(table);
    add_output_keys(table);
    add_machine_keys(table);
    add_run_keys(table);
    add_optimizer_keys(table);
    add_augmentation_keys(table);
    add_model_keys(table);
    add_loss_keys(table);
    return table;
  }();
  return keys;
}

}  // namespace rtdetr
