#include "core/base/device_choice.h"

#include <algorithm>
#include <charconv>

#include "core/base/error.h"
#include "core/base/text.h"

namespace rtdetr {
namespace {

/// A text on its way to being a choice.
struct Reader {
  const std::string& text;
  const std::string& argument;

  [[noreturn]] void refuse(const std::string& why) const {
    throw ConfigError(argument + ": " + why + "; it is cpu, auto, cuda, cuda:1, or numbers of GPUs such as 0 or 0,1" +
                      did_you_mean(text, std::vector<std::string>{"cpu", "cuda", "auto"}));
  }

  int gpu(const std::string& word) const {
    int number = -1;
    const char* const end = word.data() + word.size();
    const auto [stop, error] = std::from_chars(word.data(), end, number);
    if (error != std::errc() || stop != end || number < 0 || number > 127)
      refuse("'" + word + "' is no number of a GPU");
    return number;
  }
};

}  // namespace

DeviceChoice device_choice(const std::string& text, const std::string& origin) {
  const std::string argument = "device=" + text + origin;
  if (text == "cpu") return {.kind = DeviceChoice::Kind::kCpu, .gpus = {}, .each_its_own = false, .argument = argument};
  if (text == "auto")
    return {.kind = DeviceChoice::Kind::kAuto, .gpus = {}, .each_its_own = true, .argument = argument};
  const Reader reader{text, argument};
  const std::string prefix = "cuda:";
  DeviceChoice choice{
      .kind = DeviceChoice::Kind::kCuda, .gpus = {}, .each_its_own = text == "cuda", .argument = argument};
  if (text == "cuda") {
    choice.gpus = {0};
  } else if (text.rfind(prefix, 0) == 0) {
    choice.gpus = {reader.gpu(text.substr(prefix.size()))};
  } else {
    for (const std::string& word : split(text, ',')) {
      const int number = reader.gpu(word);
      if (std::count(choice.gpus.begin(), choice.gpus.end(), number) > 0)
        reader.refuse("GPU " + word + " stands twice");
      choice.gpus.push_back(number);
    }
  }
  return choice;
}

int gpu_of_process(const DeviceChoice& choice, std::int64_t local_rank, std::int64_t visible) {
  const auto named = static_cast<std::int64_t>(choice.gpus.size());
  if (choice.each_its_own && visible <= 1) return 0;
  if (!choice.each_its_own && named == 1) return choice.gpus.front();
  const std::int64_t gpus = choice.each_its_own ? visible : named;
  if (local_rank >= gpus)
    throw ConfigError("process " + std::to_string(local_rank) + " of this machine (LOCAL_RANK) has no GPU: there are " +
                      std::to_string(gpus) + (choice.each_its_own ? "" : " in device=") +
                      "; start as many processes as GPUs");
  return choice.each_its_own ? static_cast<int>(local_rank) : choice.gpus[static_cast<std::size_t>(local_rank)];
}

}  // namespace rtdetr
