#include "train/config/settings_parser.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <catch2/catch.hpp>

#include "core/base/error.h"
#include "core/base/text.h"
#include "models/graph/model_files.h"
#include "tests/support/home_folder.h"
#include "tests/support/temporary_folder.h"
#include "train/config/command_table.h"
#include "train/config/continued_run.h"
#include "train/config/input_files.h"
#include "train/config/key_meaning.h"
#include "train/config/keys.h"
#include "train/loop/experiment.h"

using namespace rtdetr;
using Catch::Matchers::Contains;

namespace {

Settings parse(const std::string& line) {
  std::vector<std::string> words;
  for (const std::string& word : split(line, ' '))
    if (!word.empty()) words.push_back(word);
  return parse_command_line(words);
}

std::string error_of(const std::string& line) {
  try {
    parse(line);
  } catch (const ConfigError& error) {
    CHECK(error.code() == ExitCode::kUsage);
    return error.what();
  }
  return "";
}

/// A file that is gone with the test.
class TemporaryFile {
 public:
  TemporaryFile(const std::string& name, const std::string& text)
      : folder_(std::filesystem::temp_directory_path() / ("rtdetr-settings-" + std::to_string(::getpid()))) {
    std::filesystem::create_directories(folder_);
    path_ = folder_ / name;
    std::ofstream(path_) << text;
  }
  ~TemporaryFile() { std::filesystem::remove_all(folder_); }
  std::string path() const { return path_.string(); }
  std::string folder() const { return folder_.string(); }

 private:
  std::filesystem::path folder_, path_;
};

const std::string kTrainLine = "train model=m.yaml data=d.yaml ";

}  // namespace

TEST_CASE("keys of the command line fill the typed settings") {
  const Settings s = parse(kTrainLine +
                           "epochs=3 time=0.25 imgsz=480,640 val=False schedule=multistep milestones=1,2 "
                           "lr0=1e-3 device=cpu resume=auto");
  CHECK(s.command == Command::kTrain);
  CHECK(s.model == "m.yaml");
  CHECK(s.epochs == 3);
  CHECK(s.time == 0.25);
  CHECK(s.imgsz == ImageSize{480, 640});
  CHECK_FALSE(s.val);
  CHECK(s.milestones == std::vector<std::int64_t>{1, 2});
  CHECK(s.lr0 == 1e-3);
  CHECK(s.resume == "auto");
  CHECK(s.is_given("epochs"));
  CHECK_FALSE(s.is_given("batch"));
}

TEST_CASE("keys may be written as options, and a flag without its value is true") {
  const Settings s =
      parse(kTrainLine + "--epochs 3 --lr0=1e-3 --warmup-steps 7 --val false --sync-bn --imgsz 320,640 --seed 5");
  CHECK(s.epochs == 3);
  CHECK(s.lr0 == 1e-3);
  CHECK(s.warmup_steps == 7);
  CHECK_FALSE(s.val);
  CHECK(s.sync_bn);
  CHECK(s.imgsz == ImageSize{320, 640});
  CHECK(s.seed == 5);
  CHECK_THAT(error_of(kTrainLine + "--epochs"), Contains("a value is missing; write epochs="));
  CHECK_THAT(error_of(kTrainLine + "--epochs --seed 5"), Contains("a value is missing; write epochs="));
  CHECK_THAT(error_of(kTrainLine + "--name lr0=0.01"), Contains("a value is missing; write name="));
  CHECK(parse("train --resume model=m.yaml data=d.yaml").resume == "auto");
  CHECK(parse(kTrainLine + "--resume").resume == "auto");
  for (const char* words : {"--json", "--json yes", "--json=true", "-json=on"}) {
    const std::vector<std::string> typed = split(words, ' ');
    CHECK(asks_for_json(typed));
  }
  CHECK_FALSE(asks_for_json(split("--json false --name json", ' ')));
  CHECK(parse(kTrainLine + "--name help").name == "help");
  for (const char* asking : {"help", "--help", "--name -h", "--name --help", "--exist_ok help", "--name exp help"})
    CHECK(parse(kTrainLine + asking).command == Command::kHelp);
  CHECK_THAT(error_of(kTrainLine + "--epochs 3 epochs=4"), Contains("'epochs' is given twice"));
  CHECK_THAT(error_of(kTrainLine + "--epochs many"), Contains("argument '--epochs many': epochs must be"));
  CHECK_THAT(error_of(kTrainLine + "--epoch 3"), Contains("did you mean 'epochs'?"));
}

TEST_CASE("another program's words for the same are taken") {
  const Settings s = parse("detect " + kTrainLine + "batch_size=4 lr=0.5 cos_lr=True fliplr=0.25 --num-workers 3");
  CHECK(s.command == Command::kTrain);
  CHECK(s.batch == 4);
  CHECK(s.lr0 == 0.5);
  CHECK(s.schedule == "cosine");
  CHECK(s.flip == 0.25);
  CHECK(s.workers == 3);
  CHECK(parse("task=detect mode=val model=m.yaml data=d.yaml").command == Command::kVal);
  CHECK(parse("model=m.yaml task=detect data=d.yaml --mode=val").command == Command::kVal);
  CHECK(parse("val mode=val model=m.yaml data=d.yaml task=detect").command == Command::kVal);
  CHECK_THAT(error_of(kTrainLine + "mode=val"), Contains("unknown key 'mode': the command is said already"));
  CHECK_THAT(error_of(kTrainLine + "task=segment"), Contains("there is one task, detect"));
  CHECK(parse("train detect model=m.yaml data=d.yaml").command == Command::kTrain);
  CHECK_THAT(error_of("predict segment model=m source=s"), Contains("'segment': there is one task, detect"));
  CHECK(parse("compare detect b").topics == std::vector<std::string>{"detect", "b"});
  CHECK(parse(kTrainLine + "amp=False").amp == "off");
  CHECK(parse(kTrainLine + "--amp True").amp == "auto");
  CHECK(parse(kTrainLine + "--amp bf16").amp == "bf16");
  CHECK(parse(kTrainLine + "--cos_lr False").schedule == "linear");
  CHECK_THAT(error_of(kTrainLine + "cos_lr=true schedule=linear"), Contains("'schedule' is given twice"));
  CHECK_THAT(error_of(kTrainLine + "batch_size=none"), Contains("argument 'batch_size=none': batch must be"));
  CHECK_THAT(error_of("mode=segment"), Contains("unknown command 'segment'"));
}

TEST_CASE("one number for imgsz is a square") {
  CHECK(parse("info model=m.yaml imgsz=320").imgsz == ImageSize{320, 320});
}

TEST_CASE("leading dashes of key=value are accepted") {
  CHECK(parse("train --model=m.yaml data=d.yaml -epochs=4").epochs == 4);
}

TEST_CASE("defaults depend on the command where they must") {
  CHECK(parse(kTrainLine).batch == 16);
  CHECK(parse("predict model=m source=x").batch == 1);
  CHECK(parse("predict model=m source=x").project == "runs/predict");
  CHECK(parse("val model=m data=d.yaml").project == "runs/val");
}

TEST_CASE("words that ask for help are help, wherever they stand") {
  CHECK(parse("").command == Command::kHelp);
  CHECK(parse("--help").command == Command::kHelp);
  CHECK(parse("-h").topics.empty());
  CHECK(parse("help train lr0").topics == std::vector<std::string>{"train", "lr0"});
  CHECK(parse("train --help").topics == std::vector<std::string>{"train"});
  CHECK(parse("train epochs=3 -h").topics == std::vector<std::string>{"train"});
  CHECK(parse("--version").command == Command::kVersion);
}

TEST_CASE("words of compare are folders, also one that looks like a setting and is there") {
  const test::TemporaryFolder folder;
  std::filesystem::create_directories(folder / "lr0=0.1");
  const std::string named = (folder / "lr0=0.1").string();
  const Settings settings = parse_command_line(std::vector<std::string>{"compare", "runs/a", named, "output=x.html"});
  CHECK((settings.topics == std::vector<std::string>{"runs/a", named}));
  CHECK(settings.output == "x.html");
  CHECK(parse_command_line(std::vector<std::string>{"compare", "a", "b"}).output == "compare.html");
}

TEST_CASE("a mistake on the command line is answered with the argument and what is right") {
  struct Row {
    const char* line;
    std::vector<std::string> says;
  };
  const std::vector<Row> rows = {
      {"trian model=m",
       {"unknown command 'trian', not one of train, val, ", "version, completion, licences; did you mean 'train'?"}},
      {"epochs=3", {"the command comes first"}},
      {"train model=m data=d epoches=3", {"argument 'epoches=3'", "unknown key 'epoches'; did you mean 'epochs'?"}},
      {"train model=m data=d gpus=3", {"unknown key 'gpus'; here it is device"}},
      {"compare", {"compare needs the folders of two or more runs, and has 0", "e.g. rtdetr compare runs/train/exp"}},
      {"compare a", {"and has 1"}},
      {"compare a b output=c.csv", {"output=c.csv", "compare writes a page, which ends in .html"}},
      {"compare a b epochs=3", {"'epochs' is a key of train, not of compare"}},
      {"train model=m data=d progress=yes", {"progress must be one of auto, plain, json, none, not 'yes'"}},
      {"train model=m data=d zzzzzzzz=3", {"unknown key 'zzzzzzzz'", "'rtdetr help train' lists the keys"}},
      {"train model=m data=d conf=0.5", {"'conf' is a key of val, predict, benchmark, check, not of train"}},
      {"train model=m data=d epochs=3 epochs=4", {"argument 'epochs=4'", "given twice"}},
      {"train model=m data=d epochs=abc", {"epochs must be a whole number of at least 1, not 'abc'; e.g. epochs=72"}},
      {"train model=m data=d epochs=0", {"a whole number of at least 1, not '0'"}},
      {"train model=m data=d epochs=1.5", {"not '1.5'"}},
      {"train model=m data=d epochs=010", {"not '010'"}},
      {"train model=m data=d epochs=99999999999999999999", {"epochs must be"}},
      {"train model=m data=d epochs=", {"epochs must be", "and has no value"}},
      {"train model=m data=d lr0=0", {"lr0 must be a number above 0"}},
      {"train model=m data=d lr0=nan", {"lr0 must be"}},
      {"train model=m data=d flip=2", {"flip must be a number from 0 to 1, not '2'"}},
      {"train model=m data=d val=maybe", {"val must be true or false, not 'maybe'"}},
      {"train model=m data=d amp=fp8", {"amp must be one of off, bf16, fp16, int8, auto, not 'fp8'"}},
      {"train model=m data=d amp=int8", {"amp=int8 (command line) is for val, predict and benchmark"}},
      {"export model=m format=onnx output=m.onnx calibrate=p",
       {"calibrate=p (command line) is for format=safetensors"}},
      {"export model=m format=safetensors output=m.safetensors calibrate=p dtype=fp16", {"is for dtype=fp32"}},
      {"train model=m data=d schedule=cosin", {"did you mean 'cosine'?"}},
      {"train model=m data=d imgsz=1,2,3", {"imgsz must be one side or height,width"}},
      {"train model=m data=d imgsz=-32", {"imgsz must be"}},
      {"train model=m data=d milestones=1,x", {"milestones must be whole numbers"}},
      {"train model=m data=d epochs 3", {"argument 'epochs'", "write epochs=3"}},
      {"train model=m data=d epochs = 3", {"spaces around '=' are not allowed; write epochs="}},
      {"info model=m json", {"write json=true"}},
      {"train model=m data=d val", {"write val=true"}},
      {"train model=m data=d bogus", {"settings are written key=value"}},
      {"train model=m data=d info", {"one command at a time"}},
      {"train data=d", {"train needs model=, e.g. model=rtdetr-n, or a recipe that names one: cfg=small-data"}},
      {"val model=m", {"val needs data="}},
      {"export model=m format=safetensors", {"export needs output=", "e.g. rtdetr export model=best.safetensors"}},
      {"export model=a/m.pt format=onnx", {"e.g. rtdetr export model=a/m.pt format=onnx output=m.onnx"}},
      {"export format=official-pth", {"format=official-pth output=best.pth"}},
      {"export model=rtdetr-n format=hf", {"format=hf output=rtdetr-n-hf"}},
      {"export model=m output=m.safetensors", {"export needs format="}},
      {"export model=m format=safetensors output=m.onnx", {"is written to a file ending in .safetensors"}},
      {"export model=m format=tflite output=m.onnx",
       {"format must be one of safetensors, onnx, official-pth, hf, not 'tflite'"}},
      {"export model=m format=onnx output=m.safetensors", {"is written to a file ending in .onnx"}},
      {"export model=m format=safetensors output=m.safetensors outputs=raw", {"outputs", "is for format=onnx alone"}},
      {"export model=m format=onnx output=m.onnx dtype=bf16", {"dtype=bf16", "is written in fp32 or fp16"}},
      {"export model=m format=safetensors output=m.safetensors dynamic=true", {"dynamic", "is for format=onnx alone"}},
      {"export model=m format=official-pth output=m.safetensors", {"is written to a file ending in .pth"}},
      {"export model=m format=official-pth output=m.pth verify=d.yaml", {"verify=d.yaml", "is for format=safetensors"}},
      {"export model=m format=hf output=m.safetensors", {"is a folder of three files"}},
      {"export model=m format=official-pth output=m.pth license=mit", {"has no place for it"}},
      {"export model=m format=safetensors output=m.safetensors dtype=half", {"dtype must be one of fp32, bf16, fp16"}},
      {"train model=m data=d weights_parts=backbone", {"is a part of weights=; give both"}},
      {"train model=m data=d weights_parts=head", {"weights_parts must be one of all, backbone, backbone+encoder"}},
      {"coco-eval annotations=a.json", {"coco-eval needs results="}},
      {"check", {"check needs data=, or annotations= and images="}},
      {"check annotations=a.json", {"annotations= and images= together"}},
      {"check data=d annotations=a images=i", {"exclude each other"}},
      {"predict model=m source=s nms=false", {"unknown key 'nms': a YOLO's detections are suppressed"}},
      {"train model=m data=d cache=ram", {"here it is cache_mib=2000"}},
      {"train model=m data=d resume=r weights=w", {"resume and weights exclude each other"}},
      {"train model=m data=d resume=r backbone_weights=w", {"resume and backbone_weights exclude each other"}},
      {"train model=b.safetensors data=d", {"builds its model from a YAML; add weights=b.safetensors"}},
      {"train model=b.safetensors weights=w data=d scale=l", {"scale=l (command line) is for model YAMLs"}},
      {"convert weights=w output=o.safetensors yaml=o.txt", {"yaml=o.txt", "a model YAML ends in .yaml"}},
      {"convert data=d format=yolo output=o yaml=o.yaml", {"yaml= (command line) is for weights="}},
      {"train model=m data=d quiet=true verbose=true", {"quiet and verbose exclude each other"}},
      {"train model=m data=d device=0,1 nproc=3",
       {"device=0,1 (command line) has one process for each GPU, 2, but nproc=3 (command line); leave nproc away"}},
      {"train model=m data=d device=0,1 nproc=1", {"one process for each GPU, 2, but nproc=1"}},
      {"train model=m data=d device=0 nproc=2", {"one process for each GPU, 1, but nproc=2"}},
      {"train model=m data=d device=0,x", {"device=0,x (command line): 'x' is no number of a GPU"}},
      {"val model=m data=d device=0,1", {"device=0,1 (command line): val uses one GPU"}},
      {"train model=m data=d schedule=multistep", {"needs milestones="}},
      {"train model=m data=d schedule=multistep milestones=5,2", {"must ascend"}},
      {"train model=m data=d lrf=0.1",
       {"lrf= (command line) is for schedule=linear or cosine or flat_cosine; it is schedule=constant"}},
      {"train model=m data=d hold=0.1 schedule=flat_cosine", {"hold= (command line) is for schedule=linear or cosine"}},
      {"train model=m data=d milestones=5", {"milestones= (command line) is for schedule=multistep"}},
      {"train model=m data=d gamma=0.5 schedule=cosine", {"gamma= (command line) is for schedule=multistep"}},
      {"train model=m data=d flat_until=0.3", {"flat_until= (command line) is for schedule=flat_cosine"}},
      {"train model=m data=d tail_from=0.3", {"tail_from= (command line) is for schedule=flat_cosine"}},
      {"train model=m data=d schedule=flat_cosine time=1 flat_until=29", {"flat_until=29 (command line) is an epoch"}},
      {"train model=m data=d schedule=flat_cosine flat_until=0.8 tail_from=0.7",
       {"flat_until=0.8 (command line) is not before tail_from=0.7 (command line)"}},
      {"train model=m data=d strong_from=4 strong_until=4", {"strong_from=4 (command line) is not before"}},
      {"train model=m data=d schedule=flat_cosine epochs=72 flat_until=64 tail_from=0.5",
       {"flat_until=64 (command line) is not before tail_from=0.5"}},
      {"train model=m data=d warmup_steps=0 warmup=quadratic", {"warmup= (command line) is of a warm-up"}},
      {"train model=m data=d warmup_steps=0 warmup_bias_lr=0.1", {"warmup_bias_lr= (command line) is of a warm-up"}},
      {"train model=m data=d ema_decay=0 ema_ramp=10", {"ema_ramp= (command line) is of an average"}},
      {"train model=m data=d mosaic_from=9 mosaic_until=4", {"mosaic_from=9 (command line) is not before"}},
      {"train model=m data=d multi_scale_nearest=true mosaic=0.5", {"multi_scale_nearest=true (command line) is for"}},
      {"train model=m data=d multi_scale_nearest=true affine=1", {"multi_scale_nearest=true (command line) is for"}},
      {"train model=m data=d last_stage_retry=true", {"last_stage_retry=true (command line) needs last_stage="}},
      {"train model=m data=d last_stage=4 val=false", {"val=false finds none"}},
      {"train model=m data=d warmup=cubic", {"linear", "quadratic"}},
      {"train model=m data=d param_groups=x", {"param_groups is written in a recipe"}},
      {"train model=m data=d cfg=/nonexistent.yaml", {"cfg=/nonexistent.yaml", "there is no such file"}},
      {"train model=m data=d cfg=smal-data", {"did you mean 'small-data.yaml'?"}},
  };
  for (const Row& row : rows) {
    const std::string error = error_of(row.line);
    for (const std::string& part : row.says) CHECK_THAT(error, Contains(part));
  }
}

TEST_CASE("true and false may be said in other words, and resume takes them too") {
  for (const char* word : {"true", "True", "yes", "YES", "on", "1"}) {
    const Settings s = parse(kTrainLine + "val=" + word + " resume=" + word);
    CHECK(s.val);
    CHECK(s.resume == "auto");
  }
  for (const char* word : {"false", "False", "no", "off", "0"}) {
    const Settings s = parse(kTrainLine + "val=" + word + " resume=" + word);
    CHECK_FALSE(s.val);
    CHECK(s.resume == "false");
  }
  CHECK_THAT(error_of(kTrainLine + "val=2"), Contains("val must be true or false, not '2'"));
}

TEST_CASE("a recipe that is not there leaves open which keys it names") {
  const std::string error = error_of("train cfg=smal-data batch=0");
  CHECK(split(error, '\n').size() == 2);
  CHECK_THAT(error, Contains("did you mean 'small-data.yaml'?") && Contains("batch must be"));
}

TEST_CASE("all mistakes are shown together, one per line") {
  const std::string error = error_of("train model=m epochs=x learnrate=3 flip=9");
  CHECK(split(error, '\n').size() == 4);
}

TEST_CASE("a misspelt needed key is reported once") { CHECK(split(error_of("info model="), '\n').size() == 1); }

TEST_CASE("a recipe stands between the defaults and the command line") {
  const TemporaryFile recipe("r.yaml", "epochs: 5\nlr0: 0.002\nimgsz: [256, 320]\nmilestones: [2, 3]\nval: False\n");
  const Settings s = parse(kTrainLine + "epochs=7 cfg=" + recipe.path());
  CHECK(s.epochs == 7);
  CHECK(s.lr0 == 0.002);
  CHECK(s.imgsz == ImageSize{256, 320});
  CHECK(s.milestones == std::vector<std::int64_t>{2, 3});
  CHECK_FALSE(s.val);
  CHECK(s.origin_of("lr0") == " (" + recipe.path() + ":2)");
}

TEST_CASE("recipes and data sets that come along are found by their names") {
  const Settings s = parse("train cfg=small-data data=bccd");
  CHECK(s.model == (std::filesystem::path(RTDETR_SOURCE_DIR) / "configs/models/rtdetr-n.yaml").string());
  CHECK(s.epochs == 150);
  CHECK_THAT(s.origin_of("epochs"), Contains("small-data.yaml:"));
  const std::string bccd = (std::filesystem::path(RTDETR_SOURCE_DIR) / "configs/datasets/bccd.yaml").string();
  CHECK(s.data == bccd);
  CHECK(parse("export model=m format=onnx output=m.onnx verify=bccd").verify == bccd);
  CHECK(parse("export model=m format=onnx output=m.onnx verify=photos").verify == "photos");
  CHECK(parse("check data=bccd.yaml").data == s.data);
  CHECK(parse("check data=nowhere").data == "nowhere");
  const TemporaryFile own("mine.yaml", "epochs: 7\n");
  CHECK(parse(kTrainLine + "cfg=" + own.folder() + "/mine").epochs == 7);
}

TEST_CASE("a folder in the working folder hides no data set and no model that comes along") {
  const test::TemporaryFolder folder;
  for (const char* name : {"bccd", "small-data", "rtdetr-n"}) std::filesystem::create_directory(folder / name);
  const test::WorkingFolder here(folder.path());
  const Settings s = parse("train cfg=small-data model=rtdetr-n data=bccd");
  CHECK(s.epochs == 150);
  CHECK_THAT(s.data, Contains("configs/datasets/bccd.yaml"));
  CHECK_THAT(told_settings(s), Contains("model: \"rtdetr-n\"\n"));
  CHECK_NOTHROW(require_input_files(s));
  CHECK(parse("export model=m format=onnx output=m.onnx verify=bccd").verify == "bccd");  // may be pictures
}

TEST_CASE("weights that are called as a model that comes along are not downloaded, which is said") {
  const test::TemporaryFolder folder;
  const test::WorkingFolder here(folder.path());
  const auto refused = [](const std::string& line) {
    try {
      require_input_files(parse(line));
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  const std::string hint = "; model=yolov8n trains from scratch, docs/howto/bring_weights.md says where weights come ";
  for (const char* line :
       {"predict model=yolov8n.pt source=s", "train model=in/yolov8n.pth data=bccd",
        "val model=yolov8n.safetensors data=bccd", "convert weights=yolov8n.pt output=o.safetensors"})
    CHECK_THAT(refused(line), Contains(", and weights are not downloaded" + hint));
  CHECK_THAT(refused("predict model=best.pt source=s"), Contains("no such file") && !Contains("downloaded"));
  std::ofstream(folder / "yolov8m.pt") << "x";
  CHECK_THAT(refused("predict model=yolov8n.pt source=s"), Contains(hint) && Contains("did you mean 'yolov8m.pt'?"));
}

TEST_CASE("a file that makes a run by the clock again does not count epochs that were never said") {
  const TemporaryFile written("args.yaml", settings_to_yaml(parse(kTrainLine + "time=0.5")));
  CHECK_FALSE(parse("train cfg=" + written.path()).is_given("epochs"));
  const TemporaryFile both("both.yaml", settings_to_yaml(parse(kTrainLine + "time=0.5 epochs=9")));
  CHECK(parse("train cfg=" + both.path()).epochs == 9);
}

TEST_CASE("a path in a recipe is looked up beside the recipe first") {
  const TemporaryFile recipe("r.yaml", "data: r.yaml\nmodel: rtdetr-n.yaml\n");
  const Settings s = parse("train cfg=" + recipe.path());
  CHECK(s.data == recipe.folder() + "/r.yaml");
  CHECK(s.model == "rtdetr-n.yaml");
}

TEST_CASE("a tilde in a path is the home folder, on the command line and in a recipe") {
  const test::HomeFolder home("/home/somebody");
  CHECK(parse("train model=m.yaml data=~/sets/a.yaml project=~").data == "/home/somebody/sets/a.yaml");
  CHECK(parse("train model=m.yaml data=d.yaml name=~/a").name == "~/a");  // no path
  const TemporaryFile recipe("r.yaml", "data: ~/sets/b.yaml\n");
  CHECK(parse("train model=m.yaml cfg=" + recipe.path()).data == "/home/somebody/sets/b.yaml");
}

TEST_CASE("parameter groups come from the recipe, lr as a share of the final lr0") {
  const TemporaryFile recipe("r.yaml",
                             "param_groups:\n"
                             "  - {match: '^(?=.*backbone)(?!.*norm).*$', lr: 1e-5}\n"
                             "  - {match: norm, lr_scale: 0.5, weight_decay: 0}\n");
  const Settings s = parse(kTrainLine + "lr0=1e-4 cfg=" + recipe.path());
  REQUIRE(s.param_groups.size() == 2);
  CHECK(s.param_groups[0].lr_scale == Approx(0.1));
  CHECK_FALSE(s.param_groups[0].weight_decay.has_value());
  CHECK(s.param_groups[1].weight_decay == 0.0);
}

TEST_CASE("a mistake in a recipe is answered with file and line") {
  struct Row {
    const char* text;
    std::vector<std::string> says;
  };
  const std::vector<Row> rows = {
      {"epochs: 3\nepoches: 4\n", {":2: unknown key 'epoches'; did you mean 'epochs'?"}},
      {"epochs: abc\n", {":1: epochs must be a whole number of at least 1, not 'abc'"}},
      {"\n\nflip: 3\n", {":3: flip must be"}},
      {"epochs: {a: 1}\n", {":1: epochs must be", "not a map"}},
      {"epochs:\n", {":1: epochs must be", "has no value"}},
      {"epochs: [1, 2]\n", {":1: epochs must be"}},
      {"conf: 0.5\n", {":1: 'conf' is a key of val, predict"}},
      {"cfg: other.yaml\n", {":1: a recipe cannot name another one"}},
      {"- 1\n", {":1: a recipe is a map"}},
      {"param_groups: 3\n", {":1: param_groups must be a list of maps"}},
      {"param_groups:\n- {lr_scale: 0.1}\n", {":2: a parameter group needs match:"}},
      {"param_groups:\n- {match: '(', lr_scale: 0.1}\n", {":2: '(' is not a regular expression"}},
      {"param_groups:\n- {match: a, lr_scale: .inf}\n", {":2: lr_scale must be a number from 0 to 1000"}},
      {"param_groups:\n- {match: a, lr: 11}\n", {":2: lr must be a number from 0 to 10"}},
      {"param_groups:\n- {match: a, weight_decay: 2}\n", {":2: weight_decay must be a number from 0 to 1"}},
      {"param_groups:\n- {match: a, lr_skale: 0.1}\n", {":2: unknown key 'lr_skale'", "did you mean 'lr_scale'"}},
      {"param_groups:\n- {match: a, lr: 1, lr_scale: 0.1}\n", {":2: lr and lr_scale exclude each other"}},
      {"param_groups:\n- {match: a, weight_decay: x}\n", {":2: weight_decay must be a number"}},
  };
  for (const Row& row : rows) {
    const TemporaryFile recipe("r.yaml", row.text);
    const std::string error = error_of(kTrainLine + "cfg=" + recipe.path());
    CHECK_THAT(error, Contains(recipe.path()));
    for (const std::string& part : row.says) CHECK_THAT(error, Contains(part));
  }
}

TEST_CASE("args.yaml reads back to the same settings") {
  const TemporaryFile recipe("r.yaml", "param_groups:\n- {match: '^(?=.*norm).*$', lr_scale: 0.1, weight_decay: 0}\n");
  const Settings s =
      parse(kTrainLine +
            "lr0=0.00031 imgsz=320,640 schedule=multistep milestones=3,9 name=010 flip=0.3 cfg=" + recipe.path());
  const std::string text = settings_to_yaml(s);
  const TemporaryFile written("args.yaml", text);
  const Settings again = parse("train cfg=" + written.path());
  CHECK(settings_to_yaml(again) == text);
  CHECK(again.imgsz == s.imgsz);
  CHECK(again.name == "010");
  CHECK(again.lr0 == s.lr0);
  CHECK(again.milestones == s.milestones);
  REQUIRE(again.param_groups.size() == 1);
  CHECK(again.param_groups[0].match == "^(?=.*norm).*$");
  CHECK(again.param_groups[0].lr_scale == 0.1);
}

TEST_CASE("a command is told of a key what concerns it, and not what other commands make of it") {
  Key key;
  key.meaning =
      "smallest score; val: of the matrix, 0 = best; the file's own. check, predict: of a label; by default 1";
  CHECK(meaning_for(key, Command::kVal) == "smallest score; val: of the matrix, 0 = best; the file's own");
  CHECK(meaning_for(key, Command::kPredict) == "smallest score; check, predict: of a label; by default 1");
  CHECK(meaning_for(key, Command::kTrain) == "smallest score");
  key.meaning = "a file: of weights; see docs: there. export, others: no command";
  CHECK(meaning_for(key, Command::kTrain) == key.meaning);
  CHECK_THAT(meaning_for(*find_key("model"), Command::kPredict), !Contains("train: a YAML"));
  CHECK_THAT(meaning_for(*find_key("model"), Command::kTrain), Contains("train: a YAML"));
}

TEST_CASE("every key has a meaning, a valid example, a default that is valid, and belongs to a command") {
  for (const Key& key : all_keys()) {
    INFO(key.name);
    CHECK_FALSE(key.meaning.empty());
    CHECK(key.commands != 0);
    Settings scratch;
    if (key.name == "param_groups") continue;
    CHECK(set_value(key, key.example, scratch) == "");
    for (const CommandInfo& info : all_commands()) {
      if (!(key.commands & bit(info.command))) continue;
      apply_command_defaults(info.command, scratch);
      const std::string value = value_text(key, scratch);
      if (!value.empty()) CHECK(set_value(key, value, scratch) == "");
    }
  }
}

TEST_CASE("every example of a command parses") {
  for (const CommandInfo& info : all_commands()) {
    std::string words = info.example.substr(std::string("rtdetr ").size());
    CHECK(parse(words).command == info.command);
  }
}

TEST_CASE("Ultralytics' words of optimizer and augmentation are taken") {
  const Settings s = parse(kTrainLine +
                           "optimizer=SGD momentum=0.9 warmup_momentum=0.7 warmup_bias_lr=0.1 nbs=64 hsv_h=0.01 "
                           "hsv_s=0.5 hsv_v=0.3 translate=0.2 scale=0.9");
  CHECK(s.optimizer == "sgd");
  CHECK(s.momentum == 0.9);
  CHECK(s.warmup_momentum == 0.7);
  CHECK(s.warmup_bias_lr == 0.1);
  CHECK(s.nbs == 64);
  CHECK(s.hsv_h == 0.01);
  CHECK(s.hsv_s == 0.5);
  CHECK(s.hsv_v == 0.3);
  CHECK(s.mosaic_translate == 0.2);
  CHECK(s.mosaic_scale == 0.9);
  CHECK(s.scale.empty());
  CHECK(parse(kTrainLine + "scale=x").scale == "x");
  CHECK(parse(kTrainLine + "optimizer=AdamW").optimizer == "adamw");
  CHECK_THAT(error_of(kTrainLine + "momentum=0.9"), Contains("momentum= (command line) is for optimizer=sgd and muon"));
  CHECK_THAT(error_of(kTrainLine + "optimizer=sgd beta1=0.9"), Contains("beta1= (command line) is AdamW's"));
}

TEST_CASE("hints for other programs' names lead to keys of ours") {
  for (const char* foreign : {"lr", "batch_size", "close_mosaic", "fliplr", "cos_lr", "half"}) {
    const std::string ours = foreign_key_hint(foreign);
    CHECK(find_key(ours.substr(0, ours.find('='))) != nullptr);
    CHECK(find_key(foreign) == nullptr);
  }
}

TEST_CASE("Ultralytics' keys that are none here are answered by more than that") {
  for (const char* foreign : {"close_mosaic",
                              "degrees",
                              "dfl",
                              "copy_paste",
                              "int8",
                              "fraction",
                              "opset",
                              "simplify",
                              "shear",
                              "bgr",
                              "cutmix",
                              "dropout",
                              "compile",
                              "profile",
                              "perspective",
                              "show",
                              "embed",
                              "augment",
                              "visualize",
                              "line_width",
                              "erasing",
                              "auto_augment",
                              "label_smoothing",
                              "crop_fraction",
                              "pose",
                              "kobj",
                              "overlap_mask",
                              "mask_ratio",
                              "retina_masks",
                              "copy_paste_mode",
                              "dnn",
                              "keras",
                              "workspace",
                              "stream_buffer",
                              "tracker",
                              "quantize"}) {
    INFO(foreign);
    CHECK(find_key(foreign) == nullptr);
    CHECK((foreign_key_hint(foreign).empty() != absence_reason(foreign).empty()));
  }
  CHECK_THAT(error_of(kTrainLine + "shear=2"), Contains("unknown key 'shear': it is not offered"));
  CHECK_THROWS_WITH(parse("export model=m int8=true"), Contains("here it is calibrate=photos/"));
  CHECK_THROWS_WITH(parse("predict model=m source=s int8=true"), Contains("here it is amp=int8"));
  CHECK_THAT(
      error_of(kTrainLine + "int8=true"),
      Contains("here it is calibrate=photos/, a key of export") && !Contains("amp=int8"));  // which train refuses
  CHECK_THAT(error_of(kTrainLine + "degrees=10"), Contains("up to 10 degrees where mosaic_kind=deim"));
}

TEST_CASE("Ultralytics' commands and values that are none here are answered, too") {
  const std::string page = "it is not offered; docs/howto/coming_from_ultralytics.md says what is";
  CHECK_THAT(error_of("track"), Contains("not followed from frame to frame; rtdetr predict source=clip.mp4 save_json"));
  for (const char* word : {"tune", "settings", "solutions"})
    CHECK_THAT(error_of(word), Contains(": " + page) && !Contains("did you mean"));
  for (const char* word : {"segment", "pose", "obb", "classify"})
    CHECK_THAT(error_of(word), Contains("there is one task, detect"));
  CHECK_THAT(error_of("checks"), Contains("here it is rtdetr version"));
  CHECK_THAT(error_of("copy-cfg"), Contains("here it is rtdetr help train"));
  const std::string exported = "export model=m output=o format=";
  for (const char* format : {"engine", "openvino"})
    CHECK_THAT(error_of(exported + format), Contains("; give format=onnx, which TensorRT and OpenVINO read"));
  CHECK_THAT(error_of(exported + "torchscript"), Contains("docs/decisions/0009-no-torchscript.md says why"));
  for (const char* format : {"coreml", "tflite", "ncnn"})
    CHECK_THAT(error_of(exported + format), Contains("; " + page));
  for (const char* batch : {"batch=-1", "batch=0.7"})
    CHECK_THAT(error_of(kTrainLine + batch), Contains("it is not chosen for you; check=true says"));
  CHECK_THAT(error_of(kTrainLine + "batch=0"), !Contains("check=true"));
  for (const char* format : {"via", "labelstudio", "label_studio", "kitti", "csv", "openimages"})
    CHECK_THAT(error_of(std::string("convert data=d output=o format=") + format),
               Contains("coco, yolo, voc") && Contains(" is read alone; docs/howto/data-sets.md says why") &&
                   !Contains("did you mean") && !Contains("convert needs"));
  CHECK_THAT(error_of(kTrainLine + "optimizer=auto"), Contains("adamw is the default, and lr0= its rate"));
  CHECK_THAT(error_of(kTrainLine + "optimizer=NAdam"), Contains("; it is not offered; adamw") && !Contains("did you"));
}

TEST_CASE("a hint is a key of the command that was given, and values are found whatever their case") {
  CHECK_THROWS_WITH(parse("export model=m half=true"), Contains("here it is dtype=fp16"));
  CHECK_THROWS_WITH(parse("val model=m half=true"), Contains("here it is amp=bf16"));
  CHECK_THROWS_WITH(parse("train model=m data=d schedule=COSINE"), Contains("did you mean 'cosine'?"));
}

TEST_CASE("the input size is the given one, else the checkpoint's, else 640") {
  CHECK(resolve_image_size(parse("info model=m imgsz=320"), ImageSize{480, 480}, 32) == ImageSize{320, 320});
  CHECK(resolve_image_size(parse("info model=m"), ImageSize{480, 512}, 32) == ImageSize{480, 512});
  CHECK(resolve_image_size(parse("info model=m"), std::nullopt, 32) == ImageSize{640, 640});
  CHECK_THROWS_WITH(resolve_image_size(parse("info model=m imgsz=300,640"), std::nullopt, 32),
                    Contains("stride 32") && Contains("nearest: imgsz=288,640") && Contains("command line"));
}

TEST_CASE("multi_scale of 640 by a quarter is the official list") {
  CHECK(multi_scale_sides(640, 0.25, 32) ==
        std::vector<std::int64_t>{480, 512, 544, 576, 608, 640, 640, 640, 672, 704, 736, 768, 800});
  CHECK(multi_scale_sides(640, 0, 32).empty());
  CHECK(multi_scale_sides(32, 0.5, 32).front() >= 32);
}

TEST_CASE("class_loss= chooses the classification loss") {
  const auto loss_of = [](const std::string& name) {
    return criterion_options(parse("train model=m.yaml data=d.yaml class_loss=" + name)).class_loss;
  };
  CHECK(loss_of("vfl") == ClassLoss::kVarifocal);
  CHECK(loss_of("mal") == ClassLoss::kMal);
  CHECK(loss_of("focal") == ClassLoss::kFocal);
  CHECK(loss_of("bce") == ClassLoss::kBce);
}

TEST_CASE("every recipe that comes along is valid, and names files that exist") {
  int recipes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(RTDETR_SOURCE_DIR) + "/configs/recipes")) {
    INFO(entry.path());
    const std::string line = "train cfg=" + entry.path().string();
    Settings s;
    REQUIRE_NOTHROW(s = parse(line + " data=d.yaml" + (entry.path().stem() == "finetune" ? " model=m.yaml" : "")));
    if (s.origin_of("model").find("command line") == std::string::npos) CHECK_FALSE(find_model_file(s.model).empty());
    ++recipes;
  }
  CHECK(recipes >= 4);
}
