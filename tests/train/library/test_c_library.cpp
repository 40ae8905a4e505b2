#include <torch/types.h>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "core/image/picture.h"
#include "core/io/file.h"
#include "models/deploy/detector.h"
#include "models/weights/checkpoint.h"
#include "tests/models/tiny_model.h"
#include "tests/support/micro_run.h"
#include "tests/support/temporary_folder.h"
#include "train/library/detector_settings.h"
#include "train/library/rtdetr.h"

using Catch::Contains;
using rtdetr::test::TemporaryFolder;

namespace {

std::string save_tiny(const TemporaryFolder& folder) {
  rtdetr::ModelInfo info;
  info.names = {"a", "b", "c"};
  info.category_ids = {1, 2, 3};
  info.height = 64, info.width = 96;
  rtdetr::save_model(folder / "tiny.safetensors", rtdetr::test::tiny_model(), info);
  return (folder / "tiny.safetensors").string();
}

/// 50 x 40 pixels, RGB.
std::vector<std::uint8_t> gradient() {
  std::vector<std::uint8_t> rgb(50 * 40 * 3);
  for (std::size_t i = 0; i < rgb.size(); ++i) rgb[i] = static_cast<std::uint8_t>(i * 7);
  return rgb;
}

rtdetr_image image_of(const std::vector<std::uint8_t>& pixels, std::int32_t format) {
  return {pixels.data(), 50, 40, 0, format, nullptr, 0};
}

bool same(const rtdetr_detections* found, std::size_t image, const std::vector<rtdetr::Detection>& expected) {
  if (rtdetr_detection_count(found, image) != expected.size()) return false;
  const rtdetr_detection* mine = rtdetr_detection_array(found, image);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const rtdetr::Detection& d = expected[i];
    if (mine[i].x0 != d.x0 || mine[i].y0 != d.y0 || mine[i].x1 != d.x1 || mine[i].y1 != d.y1) return false;
    if (mine[i].score != d.score || mine[i].label != d.label) return false;
  }
  return true;
}

/// Text of the error, which is given back; checks its code.
std::string text_of(rtdetr_error* error, int code) {
  REQUIRE(error);
  CHECK(rtdetr_error_code(error) == code);
  const std::string text = rtdetr_error_text(error);
  rtdetr_error_free(error);
  return text;
}

}  // namespace

TEST_CASE("a program in C finds what one in C++ finds, in pictures of several formats at once") {
  const TemporaryFolder folder;
  const std::string file = save_tiny(folder);
  const std::vector<std::uint8_t> rgb = gradient();
  std::vector<std::uint8_t> bgr(rgb.size());
  for (std::size_t i = 0; i < rgb.size(); i += 3) bgr[i] = rgb[i + 2], bgr[i + 1] = rgb[i + 1], bgr[i + 2] = rgb[i];
  const std::vector<rtdetr::ImageView> views{{rgb.data(), 50, 40, 0, rtdetr::PixelFormat::kRgb},
                                             {bgr.data(), 50, 40, 0, rtdetr::PixelFormat::kBgr}};
  const rtdetr::Detector in_cpp(file, {.min_score = 0, .threads = 1});
  const auto expected = in_cpp.detect(views);
  REQUIRE(expected[0].size() == 30);

  const std::array<const char*, 3> settings{"conf=0", "threads=1", nullptr};
  rtdetr_error* error = nullptr;
  rtdetr_detector* detector = rtdetr_open(file.c_str(), settings.data(), &error);
  REQUIRE(detector);
  CHECK(!error);
  CHECK(rtdetr_class_count(detector) == 3);
  CHECK(rtdetr_class_name(detector, 2) == std::string("c"));
  CHECK(!rtdetr_class_name(detector, 3));
  CHECK(rtdetr_input_width(detector) == 96);
  CHECK(rtdetr_input_height(detector) == 64);

  const std::array<rtdetr_image, 2> images{image_of(rgb, RTDETR_RGB), image_of(bgr, RTDETR_BGR)};
  rtdetr_detections* found = rtdetr_detect(detector, images.data(), images.size(), &error);
  REQUIRE(found);
  CHECK(same(found, 0, expected[0]));
  CHECK(same(found, 1, expected[1]));
  CHECK(rtdetr_detection_count(found, 2) == 0);
  CHECK(!rtdetr_detection_array(found, 2));
  rtdetr_detections_free(found);

  const std::array<const char*, 4> fewer{"conf=0", "max_detections=4", "threads=1", nullptr};
  rtdetr_detector* strict = rtdetr_share(detector, fewer.data(), nullptr);
  REQUIRE(strict);
  rtdetr_close(detector);  // its weights stay for who shares them
  found = rtdetr_detect(strict, images.data(), 1, nullptr);
  REQUIRE(found);
  CHECK(same(found, 0, rtdetr::Detector(in_cpp, {.min_score = 0, .max_detections = 4, .threads = 1}).detect(views[0])));
  rtdetr_detections_free(found);
  rtdetr_close(strict);
}

TEST_CASE("what fails is NULL and a handle to the reason, which names every wrong setting") {
  const TemporaryFolder folder;
  const std::string file = save_tiny(folder);
  rtdetr_error* error = nullptr;
  CHECK(!rtdetr_open((folder / "nowhere.safetensors").c_str(), nullptr, &error));
  CHECK_THAT(text_of(error, 5), Contains("nowhere.safetensors"));
  const std::array<const char*, 4> wrong{"thread=1", "precision=bf17", "imgsz=64,96,32", nullptr};
  CHECK(!rtdetr_open(file.c_str(), wrong.data(), &error));
  CHECK_THAT(text_of(error, 2), Contains("did you mean 'threads'") && Contains("did you mean 'bf16'") &&
                                    Contains("imgsz=64,96,32: want one side, or height,width"));
  CHECK(!rtdetr_open(nullptr, nullptr, &error));
  CHECK_THAT(text_of(error, 2), Contains("model_file is NULL"));
  CHECK(!rtdetr_open(nullptr, nullptr, nullptr));

  rtdetr_detector* detector = rtdetr_open(file.c_str(), nullptr, &error);
  REQUIRE(detector);
  const std::vector<std::uint8_t> rgb = gradient();
  const std::array<rtdetr_image, 2> images{image_of(rgb, RTDETR_RGB), image_of(rgb, 99)};
  CHECK(!rtdetr_detect(detector, images.data(), 2, &error));
  CHECK_THAT(text_of(error, 3), Contains("picture 1 of the batch") && Contains("format 99"));
  CHECK(!rtdetr_detect(detector, nullptr, 1, &error));
  CHECK_THAT(text_of(error, 2), Contains("images is NULL"));
  CHECK(!rtdetr_detect_file(detector, (folder / "nowhere.jpg").c_str(), &error));
  CHECK_THAT(text_of(error, 5), Contains("nowhere.jpg"));
  rtdetr_close(detector);

  const std::array<const char*, 3> beyond{"conf=7", "iou=nan", nullptr};
  CHECK(!rtdetr_open(file.c_str(), beyond.data(), &error));
  CHECK_THAT(text_of(error, 2), Contains("conf=7: want a number from 0 to 1") && Contains("iou=nan: want"));
}

TEST_CASE("a program in C opens a model and a picture that are in memory") {
  const TemporaryFolder folder;
  const std::string file = save_tiny(folder);
  rtdetr::Picture picture(50, 40);
  picture.rgb = gradient();
  rtdetr::write_picture(folder / "picture.png", picture);
  const auto model = rtdetr::read_binary_file(file), png = rtdetr::read_binary_file(folder / "picture.png");

  const std::array<const char*, 3> settings{"conf=0", "threads=1", nullptr};
  rtdetr_error* error = nullptr;
  rtdetr_detector* detector = rtdetr_open_memory(model.data(), model.size(), settings.data(), &error);
  REQUIRE(detector);
  rtdetr_detections* found = rtdetr_detect_memory(detector, png.data(), png.size(), &error);
  REQUIRE(found);
  CHECK(same(found, 0, rtdetr::Detector(file, {.min_score = 0, .threads = 1}).detect_file(folder / "picture.png")));
  CHECK(rtdetr_detection_count(found, 0) == 30);
  rtdetr_detections_free(found);

  CHECK(!rtdetr_detect_memory(detector, png.data(), png.size() / 2, &error));
  CHECK_THAT(text_of(error, 3), Contains("a picture in memory"));
  CHECK(!rtdetr_detect_memory(detector, png.data(), 0, &error));
  CHECK_THAT(text_of(error, 3), Contains("empty"));
  CHECK(!rtdetr_detect_memory(detector, nullptr, 10, &error));
  CHECK_THAT(text_of(error, 2), Contains("picture is NULL"));
  CHECK(!rtdetr_detect_memory(nullptr, png.data(), png.size(), &error));
  CHECK_THAT(text_of(error, 2), Contains("detector is NULL"));
  rtdetr_close(detector);

  CHECK(!rtdetr_open_memory(model.data(), model.size() - 1, nullptr, &error));
  CHECK_THAT(text_of(error, 4), Contains("the model in memory"));
  CHECK(!rtdetr_open_memory(model.data(), 0, nullptr, &error));
  CHECK_THAT(text_of(error, 4), Contains("empty"));
  CHECK(!rtdetr_open_memory(nullptr, 10, nullptr, &error));
  CHECK_THAT(text_of(error, 2), Contains("model_file is NULL"));
}

TEST_CASE("what is asked of a NULL handle is nothing, and it may be given back") {
  CHECK(rtdetr_error_text(nullptr) == std::string());
  CHECK(rtdetr_error_code(nullptr) == 0);
  CHECK(rtdetr_class_count(nullptr) == 0);
  CHECK(!rtdetr_class_name(nullptr, 0));
  CHECK(rtdetr_input_width(nullptr) == 0);
  CHECK(rtdetr_input_height(nullptr) == 0);
  CHECK(rtdetr_min_score(nullptr) == 0);
  CHECK(rtdetr_best_score(nullptr) == -1);
  CHECK(rtdetr_detection_count(nullptr, 0) == 0);
  CHECK(!rtdetr_detection_array(nullptr, 0));
  CHECK(rtdetr_run_end(nullptr) == -1);
  CHECK(!rtdetr_run_folder(nullptr));
  CHECK(!rtdetr_run_best(nullptr));
  CHECK(rtdetr_run_epochs(nullptr) == 0);
  CHECK(rtdetr_run_steps(nullptr) == 0);
  CHECK(rtdetr_run_best_ap(nullptr) == -1);
  rtdetr_error_free(nullptr);
  rtdetr_close(nullptr);
  rtdetr_detections_free(nullptr);
  rtdetr_run_free(nullptr);
}

TEST_CASE("a program in C is told which scores count and which were best") {
  const TemporaryFolder folder;
  rtdetr::LoadedModel model = rtdetr::load_model(save_tiny(folder));
  rtdetr_detector* plain = rtdetr_open((folder / "tiny.safetensors").c_str(), nullptr, nullptr);
  REQUIRE(plain);
  CHECK(rtdetr_min_score(plain) == 0.5);
  CHECK(rtdetr_best_score(plain) == -1);
  rtdetr_close(plain);

  model.info.best_confidence = 0.25;
  rtdetr::save_model(folder / "validated.safetensors", model.model, model.info);
  const std::array<const char*, 2> settings{"conf=0.75", nullptr};
  rtdetr_detector* validated = rtdetr_open((folder / "validated.safetensors").c_str(), settings.data(), nullptr);
  REQUIRE(validated);
  CHECK(rtdetr_min_score(validated) == 0.75);
  CHECK(rtdetr_best_score(validated) == 0.25);
  rtdetr_close(validated);
}

TEST_CASE("settings say which pairs of query and class a detector finds, and of how many queries") {
  const rtdetr::DetectorOptions options = rtdetr::detector_options(
      {"classes=0,2", "one_class_per_query=true", "num_queries=4", "iou=0.6", "agnostic_nms=true"});
  CHECK(options.classes == std::vector<int>{0, 2});
  CHECK(options.one_class_per_query);
  CHECK(options.num_queries == 4);
  CHECK(options.iou == 0.6);
  CHECK(options.agnostic_nms == true);
  CHECK(rtdetr::detector_options({"classes="}).classes.empty());
  CHECK_THROWS_WITH(rtdetr::detector_options({"classes=0,b"}), Contains("classes=b: want a whole number"));

  const TemporaryFolder folder;
  const std::string file = save_tiny(folder);
  const std::array<const char*, 6> few{"conf=0",        "threads=1", "classes=0,2", "one_class_per_query=true",
                                       "num_queries=4", nullptr};
  rtdetr_detector* detector = rtdetr_open(file.c_str(), few.data(), nullptr);
  REQUIRE(detector);
  const std::vector<std::uint8_t> rgb = gradient();
  const rtdetr_image image = image_of(rgb, RTDETR_RGB);
  rtdetr_detections* found = rtdetr_detect(detector, &image, 1, nullptr);
  REQUIRE(found);
  REQUIRE(rtdetr_detection_count(found, 0) == 4);
  for (int i = 0; i < 4; ++i) CHECK(rtdetr_detection_array(found, 0)[i].label != 1);
  rtdetr_detections_free(found);
  rtdetr_close(detector);

  const std::array<const char*, 2> beyond{"classes=3", nullptr};
  rtdetr_error* error = nullptr;
  CHECK(!rtdetr_open(file.c_str(), beyond.data(), &error));
  CHECK_THAT(text_of(error, 2), Contains("classes = 3: must be from 0 to 2"));

  const std::array<const char*, 2> suppression{"iou=0.5", nullptr};
  CHECK(!rtdetr_open(file.c_str(), suppression.data(), &error));
  CHECK_THAT(text_of(error, 2), Contains("DetectorOptions.iou: each query"));
}

TEST_CASE("a detector is shared where its weights lie, and nowhere else") {
  CHECK(rtdetr::detector_options({"conf=0"}, {.device = "auto"}).device == "auto");
  CHECK(rtdetr::detector_options({"device=cpu"}, {.device = "auto"}).device == "cpu");
  const TemporaryFolder folder;
  rtdetr_detector* detector = rtdetr_open(save_tiny(folder).c_str(), nullptr, nullptr);
  REQUIRE(detector);
  rtdetr_detector* shared = rtdetr_share(detector, nullptr, nullptr);
  CHECK(shared);
  rtdetr_close(shared);
  const std::array<const char*, 2> elsewhere{"device=cuda", nullptr};
  rtdetr_error* error = nullptr;
  CHECK(!rtdetr_share(detector, elsewhere.data(), &error));
  CHECK_THAT(text_of(error, 2), Contains("the weights lie on cpu"));
  rtdetr_close(detector);
}

TEST_CASE("several threads get from one handle what one thread gets") {
  const TemporaryFolder folder;
  const std::string file = save_tiny(folder);
  const std::array<const char*, 3> settings{"conf=0", "threads=1", nullptr};
  rtdetr_detector* detector = rtdetr_open(file.c_str(), settings.data(), nullptr);
  REQUIRE(detector);
  const std::vector<std::uint8_t> bytes(50 * 40 * 4, 90);
  const std::vector<rtdetr::Detection> expected =
      rtdetr::Detector(file, {.min_score = 0, .threads = 1})
          .detect(rtdetr::ImageView{bytes.data(), 50, 40, 0, rtdetr::PixelFormat::kRgba});
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        const rtdetr_image image = image_of(bytes, i % 2 ? RTDETR_RGBA : RTDETR_BGRA);  // grey: alike
        rtdetr_detections* found = rtdetr_detect(detector, &image, 1, nullptr);
        right += found && same(found, 0, expected);
        rtdetr_detections_free(found);
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(right == 80);
  rtdetr_close(detector);
}

TEST_CASE("a program in C trains, is told of steps and epochs, stops, goes on and detects with the result") {
  const TemporaryFolder temp;
  std::vector<std::string> words = rtdetr::test::micro_command(rtdetr::test::make_micro_run(temp.path()), "c");
  std::vector<const char*> settings;
  for (std::size_t i = 1; i < words.size(); ++i) settings.push_back(words[i].c_str());
  settings.push_back(nullptr);

  struct Seen {
    std::int64_t step = 0, epochs_told = 0, stop_at = 4;
    double ap = -2;
  } seen;
  rtdetr_callbacks callbacks{};
  callbacks.size = sizeof callbacks;
  callbacks.user = &seen;
  callbacks.on_step = [](const rtdetr_step* step, void* user) { static_cast<Seen*>(user)->step = step->step; };
  callbacks.on_epoch = [](const rtdetr_epoch* epoch, void* user) {
    ++static_cast<Seen*>(user)->epochs_told;
    if (epoch->validated) static_cast<Seen*>(user)->ap = epoch->ap;
  };
  callbacks.should_stop = [](void* user) {
    const Seen& seen = *static_cast<Seen*>(user);
    return static_cast<int>(seen.step == seen.stop_at);
  };
  rtdetr_error* error = nullptr;
  rtdetr_run* run = rtdetr_train(settings.data(), &callbacks, &error);
  REQUIRE(run);
  CHECK(rtdetr_run_end(run) == RTDETR_STOPPED);
  CHECK(rtdetr_run_steps(run) == 5);
  CHECK(seen.step == 5);
  rtdetr_run_free(run);

  seen.stop_at = -1;
  run = rtdetr_train(settings.data(), &callbacks, &error);
  REQUIRE(run);
  CHECK(rtdetr_run_end(run) == RTDETR_FINISHED);
  CHECK(rtdetr_run_epochs(run) == 3);
  CHECK(rtdetr_run_steps(run) == 18);
  CHECK(seen.step == 18);
  CHECK(seen.epochs_told == 3);
  CHECK(seen.ap >= 0);
  CHECK(rtdetr_run_best_ap(run) >= seen.ap);
  CHECK(rtdetr_run_folder(run) == (temp.path() / "runs" / "c").string());
  rtdetr_detector* detector = rtdetr_open(rtdetr_run_best(run), nullptr, &error);
  REQUIRE(detector);
  CHECK(rtdetr_class_name(detector, 0) == std::string("red"));
  rtdetr_close(detector);
  rtdetr_run_free(run);

  run = rtdetr_train(settings.data(), nullptr, &error);
  REQUIRE(run);
  CHECK(rtdetr_run_end(run) == RTDETR_ALREADY_FINISHED);
  rtdetr_run_free(run);

  for (const std::size_t size : {std::size_t{0}, sizeof callbacks - 1, sizeof callbacks + 4}) {
    CAPTURE(size);
    callbacks.size = size;
    CHECK(!rtdetr_train(settings.data(), &callbacks, &error));
    CHECK_THAT(text_of(error, 2), Contains("sizeof(rtdetr_callbacks)"));
  }
}

TEST_CASE("callbacks of a shorter struct are called as far as it goes") {
  const TemporaryFolder temp;
  std::vector<std::string> words =
      rtdetr::test::micro_command(rtdetr::test::make_micro_run(temp.path()), "short", {{"epochs", "1"}});
  std::vector<const char*> settings;
  for (std::size_t i = 1; i < words.size(); ++i) settings.push_back(words[i].c_str());
  settings.push_back(nullptr);
  rtdetr_callbacks callbacks{};
  callbacks.size = offsetof(rtdetr_callbacks, should_stop);
  callbacks.should_stop = [](void*) { return 1; };  // beyond what the caller says there is
  rtdetr_run* run = rtdetr_train(settings.data(), &callbacks, nullptr);
  REQUIRE(run);
  CHECK(rtdetr_run_end(run) == RTDETR_FINISHED);
  rtdetr_run_free(run);
}

TEST_CASE("the library says which interface it has") {
  CHECK(rtdetr_abi_version() == RTDETR_ABI_VERSION);
  CHECK_THAT(rtdetr_version(), Contains("."));
}
