#include <sys/resource.h>

#include <csignal>

#include <catch2/catch.hpp>

#include "core/io/file.h"
#include "core/tensor/tensor_file.h"
#include "models/weights/checkpoint.h"
#include "tests/support/data_files.h"
#include "tests/support/micro_run.h"
#include "tests/support/program.h"
#include "tests/support/run_record.h"
#include "tests/support/temporary_folder.h"
#include "train/loop/experiment.h"

/// Failures that are brought about, and the exit codes that docs/reference/exit_codes.md promises.
namespace rtdetr::test {

using Catch::Contains;

namespace {

using Changes = std::map<std::string, std::string>;

/// Variables of tests/support/io_faults.cpp for the run folder `name`.
std::vector<std::string> faults(const Settings& settings, const std::string& name, std::vector<std::string> variables) {
  variables.push_back("LD_PRELOAD=" RTDETR_IO_FAULTS);
  variables.push_back("RTDETR_FAULT_IN=" + (std::filesystem::path(settings.project) / name).string());
  return variables;
}

/// A checkpoint of the micro model whose first convolution makes everything after it infinite.
std::string explosive_weights(const Settings& settings, const std::filesystem::path& file) {
  Experiment experiment = prepare_experiment(settings);
  torch::NoGradGuard no_grad;
  experiment.average->parameters().front().fill_(1e38);
  ModelInfo info;
  info.names = experiment.train.classes.names;
  info.category_ids = experiment.train.classes.category_ids;
  info.height = info.width = 64;
  save_model(file, experiment.average, describe_model(experiment.average, std::move(info)));
  return file.string();
}

/// The picture files are no pictures any more.
void spoil_pictures(const std::filesystem::path& folder) {
  for (const auto& entry : std::filesystem::directory_iterator(folder / "images")) {
    const auto size = std::filesystem::file_size(entry.path());
    std::filesystem::resize_file(entry.path(), size / 2);  // headers stay: sizes are known, pixels are not
  }
}

/// No process started meanwhile gets more address space than this.
class AddressSpaceLimit {
 public:
  explicit AddressSpaceLimit(rlim_t bytes) {
    getrlimit(RLIMIT_AS, &before_);
    const rlimit limited{bytes, before_.rlim_max};
    setrlimit(RLIMIT_AS, &limited);
  }
  ~AddressSpaceLimit() { setrlimit(RLIMIT_AS, &before_); }

 private:
  rlimit before_{};
};

struct Row {
  std::string name;
  Changes keys;
  int code;
  std::string says;
};

}  // namespace

TEST_CASE("each failure has its exit code and one line that says what, where and what to do") {
  const TemporaryFolder temp, spoilt, other;
  const Settings settings = make_micro_run(temp.path());
  const std::string in = temp.path().string() + "/";
  make_micro_run(spoilt.path());
  spoil_pictures(spoilt.path());
  write_file(temp / "broken.json", "{\"images\": [");
  write_file(temp / "broken_data.yaml", "path: .\ntrain: {images: images, annotations: broken.json}\n");
  write_file(temp / "lost_data.yaml", "path: .\ntrain: {images: images, annotations: lost.json}\n");
  write_file(temp / "nowhere_data.yaml", "path: .\ntrain: nowhere\nnames: [red, green]\n");
  write_file(temp / "faulty_data.yaml", "path: .\ntrain: images\nnames: [red, green\n");
  write_file(temp / "faulty_model.yaml", "nc: 2\nbackbone:\n  - [-1, 1, Convv, [16, 3, 2]]\nhead: []\n");
  write_file(temp / "garbage.safetensors", "this is no checkpoint");
  const std::string explosive = explosive_weights(settings, other / "explosive.safetensors");
  const std::vector<Row> rows{
      {"unknown key", {{"epoches", "3"}}, 2, "did you mean 'epochs'"},
      {"value out of range", {{"batch", "0"}}, 2, "batch"},
      {"no such data set", {{"data", in + "broken_dta.yaml"}}, 2, "did you mean '" + in + "broken_data.yaml'?"},
      {"no such weights", {{"weights", in + "none.safetensors"}}, 2, "weights=" + in + "none.safetensors"},
      {"a value with a unit", {{"time", "5min"}}, 2, "it counts hours"},
      {"fault in the data set's YAML", {{"data", in + "faulty_data.yaml"}}, 2, "faulty_data.yaml:"},
      {"size that does not fit", {{"imgsz", "70"}}, 2, "imgsz"},
      {"no checkpoint to continue", {{"resume", in + "none.safetensors"}}, 2, "resume="},
      {"annotations that are no JSON", {{"data", in + "broken_data.yaml"}}, 3, "broken.json"},
      {"no annotations",
       {{"data", in + "lost_data.yaml"}},
       3,
       "lost_data.yaml:2: train: " + in + "lost.json: does not exist"},
      {"no pictures", {{"data", in + "nowhere_data.yaml"}}, 3, "nowhere"},
      {"pictures cut off", {{"data", (spoilt / "data.yaml").string()}}, 3, "p1"},
      {"fault in the model's YAML", {{"model", in + "faulty_model.yaml"}}, 4, "did you mean 'Conv'"},
      {"weights that are none", {{"weights", in + "garbage.safetensors"}}, 4, "garbage.safetensors"},
      {"folder that cannot be made", {{"project", "/proc/nowhere"}}, 5, "/proc/nowhere"},
      {"freeze of nothing", {{"freeze", "nothing"}}, 2, "no parameter's name contains"},
      {"weights that make every score infinite", {{"weights", explosive}}, 6, "are not finite"},
      {"weights that make every loss infinite",
       {{"weights", explosive}, {"batch", "2"}},
       6,
       "8 steps in a row had no finite loss and gradient"},
  };
  int number = 0;
  for (const Row& row : rows) {
    const ProgramResult result = run_program(micro_command(settings, "run" + std::to_string(++number), row.keys));
    INFO(row.name << "\n" << result.err);
    CHECK(result.code == row.code);
    CHECK_THAT(result.err, Contains("rtdetr: error: ") && Contains(row.says));
    CHECK(result.out.empty());
  }
  const auto diverged = temp / "runs" / ("run" + std::to_string(number));
  CHECK_FALSE(std::filesystem::exists(diverged / "last.safetensors"));
  const std::string log = read_text_file(diverged / "log.jsonl");
  CHECK_THAT(log,
             Contains("\"diverged\"") && Contains("learning rate") && Contains("loss_class") && Contains("pictures"));
}

TEST_CASE("scores that are no numbers are no detections") {
  const TemporaryFolder temp, other;
  const Settings settings = make_micro_run(temp.path());
  const std::string model = explosive_weights(settings, other / "model.safetensors");
  for (const char* engine : {"auto", "off"}) {
    const ProgramResult result = run_program({"predict", "model=" + model, "source=" + (temp / "images").string(),
                                              "project=" + (other / "runs").string(), "engine=" + std::string(engine)});
    INFO(result.err);
    CHECK(result.code == 6);
    CHECK_THAT(result.err, Contains("scores or boxes are not finite"));
  }
}

TEST_CASE("what cannot be written is known before anything is computed") {
  const TemporaryFolder temp, other;
  const Settings settings = make_micro_run(temp.path());
  const std::string model = explosive_weights(settings, other / "model.safetensors"), data = "data=" + settings.data;
  write_file(other / "model.yaml", "nc: 2\n");
  const std::string nowhere = "output=" + (other / "none/x.png").string();
  const std::vector<std::pair<std::vector<std::string>, int>> lines{
      {{"val", "model=" + model, data, "project=/proc/nowhere"}, 5},
      {{"check", data, nowhere}, 2},
      {{"check", data, "model=" + (other / "model.yaml").string()}, 2},
      {{"benchmark", "model=" + model, nowhere}, 2}};
  for (const auto& [words, code] : lines) {
    const ProgramResult result = run_program(words);
    INFO(words.front() << " " << words.back() << "\n" << result.err);
    CHECK(result.code == code);
    CHECK_THAT(result.err, !Contains("evaluating") && !Contains("reading") && !Contains("measuring"));
    CHECK(result.out.empty());
  }
}

TEST_CASE("without one box to evaluate on, train and val exit with 3 and print no AP") {
  const TemporaryFolder temp, other;
  const Settings settings = make_micro_run(temp.path());
  const std::string model = explosive_weights(settings, other / "model.safetensors");
  write_small_picture(temp / "backgrounds/a.png", 64, 64, 1);
  const std::string data = (temp / "backgrounds.yaml").string();
  write_file(data, "train: images\nval: backgrounds\ntest: backgrounds\nnames: [red, green]\n");
  for (const char* split : {"val", "test"}) {
    const ProgramResult result =
        run_program({"val", "model=" + model, "data=" + data, "quiet=true", "split=" + std::string(split)});
    INFO(result.err);
    CHECK(result.code == 3);
    CHECK_THAT(result.err, Contains("pictures without objects alone have no AP"));
    CHECK(result.out.empty());
  }
  const ProgramResult trained = run_program(micro_command(settings, "exp", {{"data", data}}));
  CHECK(trained.code == 3);
  CHECK_THAT(trained.err, Contains("backgrounds.yaml (val) cannot be used") && Contains("backgrounds/a.txt"));
}

TEST_CASE("a checkpoint that is damaged together with the one before exits with 4") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const auto words = micro_command(settings, "exp");
  REQUIRE(run_program(words).code == 0);
  std::filesystem::resize_file(temp / "runs/exp/last.safetensors", 5000);
  const ProgramResult fallen_back = run_program(words);
  CHECK(fallen_back.code == 0);
  CHECK_THAT(fallen_back.err, Contains("cut off") && Contains("last-1.safetensors, the one before"));
  for (const char* name : {"last.safetensors", "last-1.safetensors"})
    std::filesystem::resize_file(temp / "runs/exp" / name, 5000);
  const ProgramResult refused = run_program(words);
  CHECK(refused.code == 4);
  CHECK_THAT(refused.err, Contains("last-1.safetensors"));
}

TEST_CASE("a disk that is full once is told and costs nothing; one that stays full exits with 5") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const Changes keys{{"save_steps", "1"}, {"val", "false"}};
  REQUIRE(run_program(micro_command(settings, "clean", keys)).code == 0);
  // the first two syncs belong to args.yaml
  const std::vector<std::string> one{"RTDETR_FAULT_CALL=fsync", "RTDETR_FAULT=ENOSPC", "RTDETR_FAULT_AT=7"};
  const ProgramResult once = run_program(micro_command(settings, "once", keys), faults(settings, "once", one));
  INFO(once.err);
  CHECK(once.code == 0);
  CHECK_THAT(once.err, Contains("not saved, training goes on") && Contains("ENOSPC"));
  const std::filesystem::path runs = settings.project;
  CHECK(state_of(runs / "once") == state_of(runs / "clean"));

  std::vector<std::string> all = one;
  all.push_back("RTDETR_FAULT_LASTS=1");
  const ProgramResult full = run_program(micro_command(settings, "full", keys), faults(settings, "full", all));
  CHECK(full.code == 5);
  CHECK_THAT(full.err, Contains("what was there before is unchanged") &&
                           Contains("(last durable step 2: " + (runs / "full/last.safetensors").string() + ")"));
  CHECK(run_program(micro_command(settings, "full", keys)).code == 0);  // there is room again: it goes on
  CHECK(state_of(runs / "full") == state_of(runs / "clean"));
}

TEST_CASE("a run for whose checkpoints there is no room does not start") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const ProgramResult refused =
      run_program(micro_command(settings, "exp"), faults(settings, "exp", {"RTDETR_FREE_BYTES=1500000"}));
  INFO(refused.err);
  CHECK(refused.code == 5);
  CHECK_THAT(refused.err, Contains("MiB free") && Contains("nothing was started") && Contains("check_space=false"));
  CHECK(run_program(micro_command(settings, "exp", {{"epochs", "1"}, {"check_space", "false"}}),
                    faults(settings, "exp", {"RTDETR_FREE_BYTES=1500000"}))
            .code == 0);
}

TEST_CASE("memory that runs out exits with 8 and says what needs less") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  const AddressSpaceLimit limit(rlim_t{4} << 30);
  const ProgramResult result =
      run_program(micro_command(settings, "exp", {{"imgsz", "4096"}, {"batch", "24"}, {"workers", "0"}}));
  INFO(result.err);
  CHECK(result.code == 8);
  CHECK_THAT(result.err, Contains("a smaller batch= or imgsz="));
}

TEST_CASE("a second signal leaves without finishing the step, the last checkpoint stays") {
  const TemporaryFolder temp;
  const Settings settings = make_micro_run(temp.path());
  REQUIRE(run_program(micro_command(settings, "exp", {{"epochs", "1"}, {"imgsz", "512"}, {"batch", "24"}})).code == 0);
  const std::string before = read_text_file(temp / "runs/exp/last.safetensors");
  const auto log = temp / "runs/exp/log.jsonl";
  Program program(micro_command(settings, "exp", {{"epochs", "3"}, {"imgsz", "512"}, {"batch", "24"}}));
  wait_until([&] { return read_text_file(log).find("\"continue\"") != std::string::npos; });
  program.send(SIGTERM);
  program.send(SIGINT);  // a step of 24 pictures of 512 x 512 takes longer than that
  const int code = program.wait();
  CHECK((code == 128 + SIGINT || code == 128 + SIGTERM));  // two threads may take the two in either order
  CHECK((read_text_file(temp / "runs/exp/last.safetensors") == before));
}

}  // namespace rtdetr::test
