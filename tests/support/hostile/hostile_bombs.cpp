#include "tests/support/hostile/hostile_weights.h"
#include "tests/support/torch_files.h"

// Small files that ask for much: what a reader spends on them must be bounded by their size and a constant.

namespace rtdetr::test {
namespace {

using namespace std::string_literals;
using Verdict = HostileFile::Verdict;

constexpr int kMillion = 1'000'000;

std::string repeated(const std::string& piece, int times) {
  std::string all;
  all.reserve(piece.size() * static_cast<std::size_t>(times));
  for (int i = 0; i < times; ++i) all += piece;
  return all;
}

void add(HostileFiles& files, const char* name, const std::string& body, Verdict verdict = Verdict::kRefuse) {
  files.push_back({"bomb_"s + name, file_of(body), verdict, ""});
}

void add_depth(HostileFiles& files) {
  add(files, "tuples_deep", "N" + repeated("\x85", kMillion));
  add(files, "tuples_deep_within_bounds", "N" + repeated("\x85", 900'000));
  add(files, "marks_deep", repeated("(", 3 * kMillion));
  add(files, "dictionaries_deep", repeated("}" + text("a"), 300'000) + "N" + repeated("s", 300'000));
  add(files, "lists_deep", repeated("]", 900'000) + repeated("a", 899'999));
  add(files, "calls_deep", repeated(global("torch", "Size"), 100'000) + "N" + repeated("\x85\x85R", 100'000));
  const std::string linear = global("torch.nn.modules.linear", "Linear");
  add(files, "modules_deep",
      repeated(linear + ")\x81}" + text("_modules") + "}" + text("a"), 20'000) + "N" + repeated("ssb", 20'000),
      Verdict::kEither);
}

void add_numbers(HostileFiles& files) {
  add(files, "doubling_tuples", "N" + repeated("q\x01h\x01\x86", 64), Verdict::kRefuse);
  add(files, "doubling_lists",
      "](]q\x01" +
          repeated("](h\x01h\x01"
                   "eq\x01",
                   40) +
          "e");
  add(files, "million_dictionaries",
      "](" + global("collections", "OrderedDict") + "q\x01)R" + repeated("h\x01)R", 2 * kMillion) + "e");
  add(files, "million_lists", "](" + repeated("]", 2 * kMillion) + "e");
  add(files, "million_nothings", "](" + repeated("N", 6 * kMillion) + "e");
  add(files, "million_nothings_on_stack", repeated("N", 6 * kMillion));
  add(files, "million_gets", "]q\x01(" + repeated("h\x01", 5 * kMillion) + "e");
  add(files, "million_memo", "N" + repeated("\x94", 3 * kMillion));
  add(files, "memo_sparse", "N" + repeated("r\x3f\x42\x0f\0"s, 100'000), Verdict::kEither);
  add(files, "million_names", "](" + repeated(global("torch", "float32"), kMillion) + "e", Verdict::kRead);
  add(files, "counters",
      "}(" + repeated("NN", 1000) +
          "uq\x01"
          "](" +
          repeated(global("collections", "Counter") + "h\x01\x85R", 50'000) + "e");
  add(
      files, "many_tensors", "}(" + text("a") + tensor() + "q\x01" + [] {
        std::string all;
        for (int i = 0; i < 300'000; ++i) all += text(std::to_string(i)) + "h\x01";
        return all;
      }() + "u");
  std::string dimensions;
  for (int i = 0; i < 64; ++i) dimensions += integer(1);
  const std::string view = "(" + dimensions + "tq\x02";
  add(
      files, "many_dimensions", "}(" + text("a") + tensor(storage() + "q\x01", 0, view, "h\x02") + [] {
        std::string all;
        for (int i = 0; i < 100'000; ++i)
          all += text(std::to_string(i)) + global("torch._utils", "_rebuild_tensor_v2") + "(h\x01K\0h\x02h\x02"s + kNo +
                 "}tR";
        return all;
      }() + "u");
}

void add_texts(HostileFiles& files) {
  const std::string megabytes(10 << 20, 't');
  std::string keys;
  for (int i = 0; i < 10'000; ++i) keys += text(std::to_string(i)) + "h\x01";
  add(files, "text_repeated", "}(" + text("a") + text(megabytes) + "q\x01" + keys + "u");
  std::string encodes;
  for (int i = 0; i < 10'000; ++i) encodes += "h\x02h\x01h\x03\x86R";
  add(files, "bytes_repeated",
      "](" + text(megabytes) + "q\x01" + global("_codecs", "encode") + "q\x02" + text("latin1") + "q\x03" + encodes +
          "e",
      Verdict::kEither);
  std::string path;
  for (int i = 0; i < 60; ++i) path += "}" + text(std::string(500, 'p'));
  add(files, "long_paths", path + "N" + repeated("s", 60));
  std::string wide = "}(";
  for (int i = 0; i < 200'000; ++i) wide += text(std::to_string(i)) + "K\1";
  add(files, "wide_below_long_path", "}" + text(std::string(900, 'p')) + wide + "us");
  std::string again;
  for (int i = 0; i < 10'000; ++i) again += "h\x01h\x02\x93";
  add(files, "long_names",
      "](" + text("torch.nn.modules." + megabytes) + "q\x01" + text("Conv2d") + "q\x02" + again + "e");
  add(files, "text_as_pickle", text(std::string(20 << 20, 'x')), Verdict::kRead);
}

/// One value that is part of many others.
void add_repeated(HostileFiles& files) {
  const std::string none = text("_x") + "q\x02N";
  const std::string state = "}(" + none + repeated("h\x02N", 800'000) + "u";
  const std::string sequential = global("torch.nn.modules.container", "Sequential");
  add(files, "module_repeated", "](" + sequential + ")\x81" + state + "bq\x01" + repeated("h\x01", 200'000) + "e");
  add(files, "state_repeated",
      "](" + state + "q\x03" + sequential + "q\x01" +
          repeated("h\x01)\x81h\x03"
                   "b",
                   100'000) +
          "e");
  constexpr int kFloats = 1 << 20;
  std::string views = "}(";
  const std::string size = tuple({integer(2)}), stride = tuple({integer(kFloats - 1)});
  for (int i = 0; i < 10'000; ++i)
    views += text(std::to_string(i)) + tensor(storage({.count = kFloats}), 0, size, stride);
  files.push_back({"bomb_storage_repeated",
                   archive(parts_of(pickle(views + "u"), std::string(4 * std::size_t{kFloats}, '\1'))),
                   Verdict::kRefuse, "with gaps"});
}

/// One float that stands for many, in tensors that are not too large one by one.
void add_expansions(HostileFiles& files) {
  std::string body = "}(";
  for (int i = 0; i < 64; ++i)
    body += text(std::to_string(i)) + tensor(storage(), 0, tuple({integer(4 << 20)}), tuple({integer(0)}));
  add(files, "expanded_together", body + "u");
  add(files, "expanded_once",
      dictionary({text("w"), tensor(storage(), 0, tuple({integer(16 << 20)}), tuple({integer(0)}))}), Verdict::kRead);
  std::vector<ZipPart> many(65'536);
  for (std::size_t i = 0; i < many.size(); ++i) many[i].name = "best/data/" + std::to_string(i + 1);
  for (const ZipPart& part : parts_of(pickle(dictionary({text("w"), tensor()})))) many.push_back(part);
  files.push_back({"bomb_many_entries", archive(many), Verdict::kRead, ""});
  many.resize(100'001);
  for (std::size_t i = 0; i < many.size(); ++i) many[i].name = "b/" + std::to_string(i);
  files.push_back({"bomb_too_many_entries", archive(many), Verdict::kRefuse, "100,000"});
}

}  // namespace

void add_bombs(HostileFiles& files) {
  add_depth(files);
  add_numbers(files);
  add_texts(files);
  add_repeated(files);
  add_expansions(files);
}

}  // namespace rtdetr::test
