#include "train/report/run_page.h"

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>
#include <string>

#include "core/base/error.h"
#include "core/io/file.h"
#include "tests/support/data_files.h"
#include "tests/support/temporary_folder.h"
#include "train/report/comparison_page.h"
#include "train/report/page.h"
#include "train/report/setting_differences.h"
#include "train/report/worst_pictures.h"

using namespace rtdetr;
using Catch::Matchers::Contains;
using nlohmann::json;

namespace {

/// What somebody may call a class or a file.
const std::string kHostile = "</script><script>alert(1)</script><!--&lt;\" '\\";

const char* const kResults =
    "epoch,time,train/cls_loss,metrics/mAP50(B),metrics/mAP50-95(B),lr/pg0,train/loss,layer0/AP,layer1/AP\n"
    "1,10,2.5,0.2,0.1,0.001,20,0.05,0.1\n"
    "2,20,2.25,,,0.001,18,,\n"
    "3,30,2,0.5,0.4,0.001,15,0.2,0.4\n"
    "4,40,1.5,0.4,0.3,0.001,12,0.25,0.3\n";

/// A folder as a run leaves it.
void write_run(const std::filesystem::path& folder, const std::string& log = "", const std::string& arguments = "",
               const std::string& results = kResults) {
  test::write_file(folder / "results.csv", results);
  if (!log.empty()) test::write_file(folder / "log.jsonl", log);
  if (!arguments.empty()) test::write_file(folder / "args.yaml", arguments);
}

/// The document in a page, as the script of the page finds it.
json document_in(const std::string& page) {
  const std::string begin = "<script type=\"application/json\" id=\"data\">";
  const std::size_t from = page.find(begin) + begin.size();
  REQUIRE(from > begin.size());
  return json::parse(page.substr(from, page.find("</script>", from) - from));
}

json section(const json& document, const std::string& id) {
  for (const json& one : document["sections"])
    if (one["id"] == id) return one;
  FAIL("no section " << id);
  return {};
}

json curve(const json& charts, const std::string& chart, const std::string& name) {
  for (const json& one : charts["charts"]) {
    if (one["title"] != chart) continue;
    for (const json& series : one["series"])
      if (series["name"] == name) return series;
  }
  FAIL("no curve " << name << " in " << chart);
  return {};
}

std::string step_line(int batch, const std::string& loss, bool applied, const std::string& more = "") {
  return R"({"event":"step","epoch":0,"batch":)" + std::to_string(batch) + ",\"loss\":" + loss +
         ",\"norm\":1.5,\"lr\":0.001,\"applied\":" + (applied ? "true" : "false") + more + "}\n";
}

}  // namespace

TEST_CASE("a run's page has a curve of every column, without gaps for rows that were not validated") {
  const test::TemporaryFolder folder;
  write_run(folder / "exp");
  write_run_page(folder / "exp");
  const json charts = section(document_in(read_text_file(folder / "exp/index.html")), "curves");
  CHECK((curve(charts, "training loss, last layer", "cls_loss")["y"] == json{2.5, 2.25, 2, 1.5}));
  CHECK((curve(charts, "training loss, sum of all terms", "loss")["y"] == json{20, 18, 15, 12}));
  CHECK((curve(charts, "validation", "mAP50-95")["x"] == json{1, 3, 4}));
  CHECK((curve(charts, "AP by decoder layer", "encoder")["y"] == json{0.05, 0.2, 0.25}));
  CHECK((curve(charts, "AP by decoder layer", "layer 1")["y"] == json{0.1, 0.4, 0.3}));
  CHECK((curve(charts, "learning rate", "pg0")["y"].size() == 4));
}

TEST_CASE("validations inside epochs are drawn at their steps") {
  const test::TemporaryFolder folder;
  write_run(folder / "exp", "", "", "epoch,metrics/mAP50-95(B),step\n1,0.1,10\n1,0.2,20\n");
  const json charts = section(run_page(read_run(folder / "exp")), "curves");
  CHECK((curve(charts, "validation", "mAP50-95")["x"] == json{10, 20}));
  CHECK(charts["charts"][0]["x"] == "step");
}

TEST_CASE("numbers tell the best epoch and the last") {
  const test::TemporaryFolder folder;
  write_run(folder / "exp");
  const RunNumbers numbers = numbers_of(read_run(folder / "exp").table);
  CHECK(numbers.best_ap == 0.4);
  CHECK(numbers.best_epoch == 3);
  CHECK(numbers.ap50_there == 0.5);
  CHECK(numbers.last_ap == 0.3);
  CHECK(numbers.last_loss == 12);
  CHECK(numbers.seconds == 40);
}

TEST_CASE("events are told in words, refused steps by their batch, and fp16's search for its factor as a count") {
  const test::TemporaryFolder folder;
  const std::string log =
      R"({"event":"start","version":"9.8","command":"rtdetr train x","seed":7,"precision":"fp16","steps_done":0,"fitted":{"warmup_steps":"7"}})"
      "\n" +
      step_line(0, "5.5", true) + step_line(1, "null", false) + step_line(2, "4.5", false, ",\"loss_scale\":1024") +
      step_line(3, "4.5", true) + "{\"event\":\"step\",\"epoch\":0,\"ba\n" +
      R"({"event":"epoch","epoch":0,"losses":{"loss":5,"loss_vfl_aux_0":0.5},"val_losses":{"loss_vfl":0.25},"layers":[{"layer":0,"stats":[0.1,0,0,0,0,0,0,0,0,0,0,0]},{"layer":1,"stats":[0.3,0,0,-1,0,0,0,0,0,0,0,0]}]})"
      "\n"
      R"({"event":"epoch","epoch":1,"losses":{"loss":4},"layers":[{"layer":0,"stats":[0.2,0,0,0,0,0,0,0,0,0,0,0]},{"layer":1,"stats":[0.2,0,0,0,0,0,0,0,0,0,0,0]}]})"
      "\n"
      R"({"event":"stop","steps_done":2})"
      "\n"
      R"({"event":"continue","version":"9.9","command":"rtdetr train y","precision":"fp16","steps_done":2})"
      "\n"
      R"({"event":"diverged","steps_done":3,"reason":"8 in a row"})"
      "\n"
      R"({"event":"fail","steps_done":3,"reason":"no room"})"
      "\n"
      R"({"event":"finish","steps_done":4})"
      "\n"
      R"({"event":"stop","steps_do)";  // a killed process leaves this
  write_run(folder / "exp", log);
  const RunRecord run = read_run(folder / "exp");
  CHECK(run.steps == 2);
  CHECK(run.refused == 1);
  CHECK(run.overflows == 1);
  CHECK((run.step_loss.x == std::vector<double>{1, 2}));
  CHECK((run.step_loss.y == std::vector<double>{5.5, 4.5}));
  CHECK((run.events ==
         std::vector<std::string>{"started by rtdetr 9.8, fp16, seed 7",
                                  "epoch 1, batch 1: step refused, the loss was not finite",
                                  "stopped and saved after 2 steps", "continued after 2 steps by rtdetr 9.9",
                                  "failed after 3 steps: 8 in a row", "failed after 3 steps: no room",
                                  "finished after 4 steps", "1 step refused while fp16's factor was looked for"}));
  CHECK(run.best_place == "epoch 1");
  CHECK(run.train_terms.size() == 1);  // the sum is no term
  const json page = run_page(run);
  CHECK((section(page, "layers")["rows"][1][1] == 0.3));
  CHECK_THAT(section(page, "layers")["note"].get<std::string>(), Catch::Contains("when the run ends"));
  CHECK(section(page, "layers")["rows"][1][4].is_null());  // COCO's -1: there are no small boxes
  CHECK((curve(section(page, "terms"), "every training loss", "loss_vfl_aux_0")["y"] == json{0.5}));
  CHECK((curve(section(page, "terms"), "every validation loss", "loss_vfl")["x"] == json{1}));
  CHECK(page["subtitle"] == "rtdetr 9.9: rtdetr train y");
}

TEST_CASE("of a long run evenly chosen steps are drawn, and all are counted") {
  const test::TemporaryFolder folder;
  std::string log;
  for (int i = 0; i < 5000; ++i) log += step_line(i, std::to_string(i), true);
  write_run(folder / "exp", log);
  const RunRecord run = read_run(folder / "exp");
  CHECK(run.steps == 5000);
  REQUIRE(run.step_loss.x.size() == 1250);  // every fourth, as every second would be more than 2000
  for (std::size_t i = 0; i < run.step_loss.x.size(); ++i) {
    CHECK(run.step_loss.x[i] == static_cast<double>(4 * i + 1));
    CHECK(run.step_loss.y[i] == static_cast<double>(4 * i));
  }
}

TEST_CASE("a run that grows is read from where the last read ended, to the same record as in one go") {
  const test::TemporaryFolder folder;
  const std::filesystem::path log = folder / "exp/log.jsonl";
  std::string text = R"({"event":"start","version":"9.8","precision":"fp16","seed":7})"
                     "\n";
  for (int i = 0; i < 3000; ++i) text += step_line(i, i == 700 ? "null" : std::to_string(i), i != 700);
  const std::size_t half = text.size() / 2;  // inside a line
  write_run(folder / "exp", text.substr(0, half));
  RunReader reader(folder / "exp");
  CHECK(reader.read().steps < 1600);
  const std::size_t whole_lines = text.rfind('\n', half - 1) + 1;
  test::write_file(log, std::string(whole_lines, '#') + text.substr(whole_lines));  // is not looked at again
  const RunRecord grown = reader.read();
  test::write_file(log, text);
  const RunRecord once = read_run(folder / "exp");
  CHECK(grown.steps == 2999);
  CHECK(grown.steps == once.steps);
  CHECK(grown.events == once.events);
  CHECK(grown.events.size() == 2);
  CHECK(grown.step_loss.x == once.step_loss.x);
  CHECK(grown.gradient_norm.y == once.gradient_norm.y);
  test::write_file(log, step_line(0, "1", true));  // a shorter one is another run's
  CHECK(reader.read().steps == 1);
}

TEST_CASE("the best validation stays the best, however often the run is read, and is that of the layer that detects") {
  const test::TemporaryFolder folder;
  const auto validated = [](int epoch, double first, double second, int detects_with) {
    const auto layer = [](int number, double ap) {
      json stats = json::array({ap});
      for (int i = 1; i < 12; ++i) stats.push_back(0.5);
      return json{{"layer", number}, {"stats", stats}};
    };
    return json{{"event", "epoch"},
                {"epoch", epoch},
                {"layers", {layer(1, first), layer(2, second)}},
                {"detects_with", detects_with}}
               .dump() +
           "\n";
  };
  std::string text = validated(0, 0.3, 0.1, 1);
  write_run(folder / "exp", text);
  RunReader reader(folder / "exp");
  CHECK(reader.read().best_place == "epoch 1");
  text += validated(1, 0.2, 0.4, 1);
  test::write_file(folder / "exp/log.jsonl", text);
  CHECK(reader.read().best_place == "epoch 1");
  CHECK(read_run(folder / "exp").best_place == "epoch 1");
  test::write_file(folder / "exp/log.jsonl", text + validated(2, 0.35, 0.2, 1));
  CHECK(reader.read().best_place == "epoch 3");
}

TEST_CASE("settings stand beside their defaults, and those that differ are told first") {
  const test::TemporaryFolder folder;
  write_run(folder / "exp",
            R"({"event":"start","fitted":{"val_every":"1"}})"
            "\n",
            "model: \"" + std::string("m.yaml") +
                "\"\nlr0: 0.0001\nepochs: 5\nmilestones: [3, 4]\nimgsz: 64\nval_every: 10\nparam_groups:\n  - match: "
                "\"a\"\n    lr_scale: 0.1\nno_more: 3\n");
  const json page = run_page(read_run(folder / "exp"));
  const json changed = section(page, "changed-settings"), all = section(page, "settings");
  CHECK((changed["rows"] == json{{"model", "m.yaml", "", ""},
                                 {"epochs", "5", "72", ""},
                                 {"milestones", "3,4", "", ""},
                                 {"imgsz", "64", "", ""},
                                 {"val_every", "10", "1", "1"},
                                 {"param_groups", "[{match: \"a\", lr_scale: 0.1}]", "", ""},
                                 {"no_more", "3", "", ""}}));
  CHECK(all["rows"].size() == changed["rows"].size() + 1);
  CHECK((all["rows"][1] == json{"lr0", "0.0001", "0.0001", ""}));
  CHECK(all["changed"][0] == true);
  CHECK(all["changed"][1] == false);
}

TEST_CASE("nothing that a run's data say becomes markup") {
  const test::TemporaryFolder folder;
  const std::string quoted = json(kHostile).dump();
  write_run(folder / "exp", "{\"event\":" + quoted + "}\n{\"event\":\"start\",\"command\":" + quoted + "}\n",
            "data: " + quoted + "\n", "epoch,</script><b>/x\n1,0.5\n");
  std::vector<nlohmann::ordered_json> found = {page_section("matrix", "confusion", "")};
  found[0]["names"] = {kHostile, kHostile};
  const std::string page = page_html(run_page(read_run(folder / "exp"), {}, found));
  const json document = document_in(page);
  CHECK(section(document, "confusion")["names"][0] == kHostile);
  CHECK(section(document, "events")["lines"][0] == kHostile);
  CHECK(section(document, "changed-settings")["rows"][0][1] == kHostile);
  CHECK(page.find("alert(1)</script>") == std::string::npos);
  CHECK(page.find("<!--") == std::string::npos);
  std::size_t scripts = 0;
  for (std::size_t at = 0; (at = page.find("</script>", at)) != std::string::npos; ++at) ++scripts;
  CHECK(scripts == 2);  // the data's and the page's own
  CHECK_THAT(page, Contains("default-src 'none'"));
  CHECK(page.find("{{") == std::string::npos);
}

TEST_CASE("bytes that are no UTF-8 do not break a page") {
  const test::TemporaryFolder folder;
  write_run(folder / "exp", "{\"event\":\"a\xff\"}\n{\"event\":\"stop\",\"steps_done\":1}\n");
  const json document = document_in(page_html(run_page(read_run(folder / ("exp")))));
  CHECK((section(document, "events")["lines"] == json{"stopped and saved after 1 step"}));
  nlohmann::ordered_json list = page_section("list", "x", "t\xff");
  CHECK(document_in(page_html({{"title", "\xff"}, {"sections", nlohmann::ordered_json::array({list})}}))["title"] ==
        "\uFFFD");
}

TEST_CASE("what is no folder of a run is told apart") {
  const test::TemporaryFolder folder;
  const auto error_of = [&](const std::string& name) {
    try {
      read_run(folder / name);
    } catch (const ConfigError& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  CHECK_THAT(error_of("nowhere"), Contains("nowhere: no such folder"));
  test::write_file(folder / "file", "");
  CHECK_THAT(error_of("file"), Contains("is a file; a run is given by its folder"));
  test::write_file(folder / "val/metrics_per_class.csv", "");
  CHECK_THAT(error_of("val"), Contains("is a folder of val"));
  test::write_file(folder / "young/log.jsonl", "");
  test::write_file(folder / "young/results.csv", "");
  CHECK_THAT(error_of("young"), Contains("has not ended its first epoch"));
  test::write_file(folder / "other/x", "");
  CHECK_THAT(error_of("other"), Contains("holds no results.csv"));
  test::write_file(folder / "foreign/results.csv", "a,b\n1,2\n");
  CHECK_THAT(error_of("foreign"), Contains("has no column 'epoch'"));
}

TEST_CASE("a page that cannot be written is a warning, and so is a run that cannot be read") {
  const test::TemporaryFolder folder;
  write_run(folder / "exp");
  std::filesystem::create_directories(folder / "exp/index.html/in_the_way");
  CHECK_NOTHROW(write_page_or_warn(folder / "exp"));
  CHECK_NOTHROW(write_page_or_warn(folder / "nowhere"));
  write_run(folder / "damaged", "", "a: [b\n");
  CHECK_NOTHROW(write_page_or_warn(folder / "damaged"));
  CHECK_FALSE(std::filesystem::exists(folder / "damaged/index.html"));
}

TEST_CASE("compared runs have their curves over each other, and only settings that differ are told") {
  const test::TemporaryFolder folder;
  write_run(folder / "a", "", "lr0: 0.1\nepochs: 4\nname: \"a\"\n");
  write_run(folder / "b",
            R"({"event":"start","fitted":{"lr0":"0.3"}})"
            "\n",
            "lr0: 0.2\nepochs: 4\nname: \"b\"\nquiet: true\nbatch: 2\n",
            "epoch,time,metrics/mAP50-95(B),new/column\n1,60,0.7,1\n");
  const std::vector<RunRecord> runs = {read_run(folder / "a"), read_run(folder / "b")};
  const json page = comparison_page(runs);
  const json charts = section(page, "curves");
  CHECK((curve(charts, "metrics/mAP50-95(B)", "a")["y"] == json{0.1, 0.4, 0.3}));
  CHECK((curve(charts, "metrics/mAP50-95(B)", "b")["y"] == json{0.7}));
  CHECK((curve(charts, "AP over training time", "b")["x"] == json{1}));
  CHECK((curve(section(page, "columns"), "new/column", "b")["y"] == json{1}));
  CHECK((section(page, "settings")["rows"] == json{{"lr0", "0.1", "0.2 (fitted: 0.3)"}, {"batch", "", "2"}}));
  CHECK(section(page, "numbers")["rows"][0][1] == 0.4);
  CHECK(section(page, "numbers")["rows"][1][1] == 0.7);
  CHECK((run_names(runs) == std::vector<std::string>{"a", "b"}));
  write_run(folder / "other/a");
  const std::vector<RunRecord> same = {read_run(folder / "a"), read_run(folder / "other/a/")};
  CHECK(run_names(same)[0] != run_names(same)[1]);
}

TEST_CASE("a file is one setting, however runs name it and wherever they were begun") {
  const test::TemporaryFolder folder;
  for (const char* name : {"d.yaml", "here/d.yaml", "there/d.yaml"}) test::write_file(folder / name, "");
  std::filesystem::create_symlink(folder / "d.yaml", folder / "link.yaml");
  const auto run = [&](const std::string& name, const std::string& data, const std::string& project) {
    write_run(folder / name, "", "data: " + data + "\nproject: " + project + "\nbackbone_weights: ./gone.pth\n");
    return read_run(folder / name);
  };
  const RunRecord whole = run("runs/whole", (folder / "d.yaml").string(), (folder / "runs").string());
  for (const RunRecord& other : {run("runs/link", (folder / "here/../link.yaml").string(), "runs"),
                                 run("runs/near", "./d.yaml", "runs"), run("here/runs/far", "../d.yaml", "./runs/")})
    CHECK(differing_settings(std::vector{whole, other}).empty());
  const std::vector<RunRecord> two = {run("here/runs/a", "d.yaml", "runs"), run("there/runs/a", "d.yaml", "runs")};
  const std::vector<SettingDifference> differences = differing_settings(two);
  REQUIRE(differences.size() == 1);
  CHECK(differences[0].values[0] == std::filesystem::canonical(folder / "here/d.yaml"));
}

TEST_CASE("compared runs have side by side what their pages found, each run's own pictures folded") {
  const test::TemporaryFolder folder;
  write_run(folder / "a");
  write_run(folder / "b");
  write_run(folder / "c");  // has no page
  json found = json::parse(R"({"sections": [
    {"kind": "table", "id": "layers", "columns": ["layer", "AP"], "rows": [["1", 0.1], ["2", 0.2]]},
    {"kind": "table", "id": "classes", "columns": ["class", "boxes", "AP"], "rows": [["cat", 9, 0.5], ["", 4, 0.25]]},
    {"kind": "matrix", "id": "confusion", "title": "taken", "names": ["cat"], "counts": [[1]]},
    {"kind": "pictures", "id": "worst", "title": "worst", "pictures": []}]})");
  found["sections"][1]["rows"][1][0] = kHostile;
  write_page(folder / "a/index.html", found);
  write_page(folder / "b/index.html", json::parse(R"({"sections": [
    {"kind": "table", "id": "classes", "columns": ["class", "AP"], "rows": [["dog", null], ["cat", 0.75], ["cat", 0.1]]}]})"));
  const auto page_of_all = [&] {
    return json(comparison_page(std::vector{read_run(folder / "a"), read_run(folder / "c"), read_run(folder / "b")}));
  };
  const json page = page_of_all();
  CHECK((section(page, "classes")["columns"] == json{"class", "a", "b"}));
  CHECK((section(page, "classes")["rows"] ==
         json::array({{"cat", 0.5, 0.75}, {kHostile, 0.25, nullptr}, {"dog", nullptr, nullptr}})));
  CHECK((section(page, "layers")["columns"] == json{"run", "layer", "AP"}));
  CHECK((section(page, "layers")["rows"] == json{{"a", "1", 0.1}, {"a", "2", 0.2}}));
  CHECK(section(page, "confusion-1")["title"] == "a: taken");
  CHECK(section(page, "worst-1")["folded"] == true);
  CHECK(document_in(page_html(page)) == page);

  std::filesystem::remove(folder / "a/index.html");
  std::filesystem::create_directories(folder / "a/index.html");  // no file at all
  test::write_file(folder / "b/index.html",
                   "<script type=\"application/json\" id=\"data\">{\"sections\": [1]}</script>");
  const json bare = page_of_all();
  for (const json& one : bare["sections"]) CHECK((one["id"] != "classes" && one["id"] != "layers"));
  CHECK(section(bare, "numbers")["rows"].size() == 3);
}

TEST_CASE("a run's page tells what differs from the run before in the same folder") {
  const test::TemporaryFolder folder;
  const auto write = [&](const std::string& name, const std::string& arguments, int age_hours) {
    write_run(folder / name, "", arguments);
    std::filesystem::last_write_time(folder / name / "args.yaml",
                                     std::filesystem::file_time_type::clock::now() - std::chrono::hours(age_hours));
  };
  write("first", "lr0: 0.5\n", 3);
  CHECK_FALSE(run_before(folder / "first"));
  write("z", "epochs: 4\nlr0: 0.1\nname: \"z\"\n", 2);
  write("a", "epochs: 8\nlr0: 0.2\nname: \"a\"\n", 1);
  write("later", "lr0: 0.3\n", 0);
  test::write_file(folder / "a_file", "");
  test::write_file(folder / "damaged/results.csv", kResults);
  test::write_file(folder / "damaged/args.yaml", "a: [b\n");
  std::filesystem::last_write_time(folder / "damaged/args.yaml",
                                   std::filesystem::file_time_type::clock::now() - std::chrono::minutes(90));
  write("other", "lr0: 0.7\n", 9);
  test::write_file(folder / "no_epochs/results.csv", "time,metrics/mAP50-95(B)\n10,0.5\n");
  test::write_file(folder / "no_epochs/args.yaml", "lr0: 0.9\n");
  std::filesystem::last_write_time(folder / "no_epochs/args.yaml",
                                   std::filesystem::file_time_type::clock::now() - std::chrono::minutes(80));
  const json page = run_page(read_run(folder / "a/"), run_before(folder / "a"));
  const json difference = section(page, "difference");
  CHECK((difference["columns"] == json{"", "z", "a"}));
  CHECK((difference["rows"][0] == json{"best AP", 0.4, 0.4}));
  CHECK((difference["rows"].back() == json{"lr0", "0.1", "0.2"}));
  CHECK((difference["rows"][3] == json{"epochs done", 4, 4}));  // not the name of a setting
  CHECK((difference["rows"][5] == json{"epochs", "4", "8"}));
  CHECK(difference["rows"].size() == 7);

  RunReader reader(folder / "a");  // for every epoch's page
  CHECK(reader.before()->folder.filename() == "z");
  std::filesystem::remove_all(folder / "z");
  CHECK(reader.before()->folder.filename() == "z");
}

TEST_CASE("base64 of the standard's examples") {
  CHECK(base64("").empty());
  CHECK(base64("f") == "Zg==");
  CHECK(base64("fo") == "Zm8=");
  CHECK(base64("foobar") == "Zm9vYmFy");
  CHECK(base64(std::string("\xff\xfe\xfd\0", 4)) == "//79AA==");
}
