#include <limits>

#include "tests/support/hostile/hostile_weights.h"
#include "tests/support/torch_files.h"

namespace rtdetr::test {
namespace {

using namespace std::string_literals;
using Verdict = HostileFile::Verdict;

constexpr std::int64_t kLargest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kSmallest = std::numeric_limits<std::int64_t>::min();

std::string with(const std::string& value) { return dictionary({text("weight"), tensor(), text("x"), value}); }
std::string one(std::int64_t number) { return tuple({integer(number)}); }
std::string pair(std::int64_t a, std::int64_t b) { return tuple({integer(a), integer(b)}); }

void add_views(HostileFiles& files) {
  const auto add = [&](const char* name, std::int64_t offset, const std::string& size, const std::string& stride,
                       Verdict verdict = Verdict::kRefuse, const char* says = "a tensor") {
    files.push_back({"view_"s + name, file_of(with(tensor(storage(), offset, size, stride))), verdict, says});
  };
  add("last_inside", 3, one(1), one(1), Verdict::kRead);
  add("one_behind", 1, one(4), one(1), Verdict::kRefuse, "reaches element 4 of a storage that has 4");
  add("offset_behind", 4, one(1), one(1));
  add("number_behind", 4, ")", ")");
  add("offset_negative", -1, one(1), one(1));
  add("offset_largest", kLargest, one(2), one(1));
  add("offset_smallest", kSmallest, one(1), one(1));
  add("size_negative", 0, one(-1), one(1));
  add("two_sizes_negative", 0, pair(-2, -2), pair(1, 1));
  add("stride_negative", 3, one(4), one(-1));
  add("stride_wraps", 0, one(3), one(1ll << 62));
  add("strides_wrap_together", 0, pair(2, 2), pair(kLargest, kLargest));
  add("stride_and_offset_wrap", kLargest - 1, one(2), one(kLargest));
  add("stride_wraps_to_inside", 0, one(5), one(1ll << 62));
  add("size_wraps", 0, pair(1ll << 32, 1ll << 32), pair(0, 0));
  add("size_wraps_to_four", 0, pair(4, 1ll << 62), pair(0, 0));
  add("size_largest", 0, one(kLargest), one(0));
  add("bytes_wrap", 0, one(1ll << 62), one(0));
  add("expanded_ten", 0, one(10), one(0), Verdict::kRead);
  add("expanded_terabytes", 0, one(1ll << 40), one(0), Verdict::kRefuse, "128 MiB");
  add("overlapping", 0, pair(3, 2), pair(1, 1), Verdict::kRead);
  add("empty_with_huge_strides", 0, pair(0, 5), pair(kLargest, kLargest), Verdict::kRead);
  add("empty_with_huge_sizes", 0, pair(0, kLargest), pair(1, 1), Verdict::kRefuse, "has a size that overflows");
  add("one_with_huge_stride", 0, pair(1, 1), pair(kLargest, kLargest), Verdict::kRead);
  add("more_strides", 0, one(4), pair(1, 1), Verdict::kRefuse, "different number");
  add("no_strides", 0, one(4), ")", Verdict::kRefuse, "different number");
  add("size_of_truth", 0, tuple({kYes}), one(1));
  add("size_of_fraction", 0, tuple({real(4)}), one(1));
  add("size_of_70_bits", 0, tuple({"\x8a\x0a"s + std::string(9, '\0') + "\1"}), one(1));
  add("size_as_list", 0, list({integer(4)}), one(1));
  add("size_as_text", 0, text("4"), one(1));
  std::string many;
  for (int i = 0; i < 65; ++i) many += integer(1);
  add("65_dimensions", 0, "(" + many + "t", "(" + many + "t", Verdict::kRefuse, "64 dimensions");
  many.resize(64 * integer(1).size());
  add("64_dimensions", 0, "(" + many + "t", "(" + many + "t", Verdict::kRead);
}

void add_tensors(HostileFiles& files) {
  const std::string build = global("torch._utils", "_rebuild_tensor_v2"), size = one(4), stride = one(1);
  const auto add = [&](const char* name, const std::string& value, const char* says = "tensor") {
    files.push_back({"tensor_"s + name, file_of(dictionary({text("x"), value})), Verdict::kRefuse, says});
  };
  add("of_nothing", call(build, {}));
  add("of_five", call(build, {storage(), integer(0), size, stride, kNo}));
  add("negated", call(build, {storage(), integer(0), size, stride, kNo, no_hooks(), dictionary({text("neg"), kYes})}),
      "negated or conjugated");
  add("of_eight", call(build, {storage(), integer(0), size, stride, kNo, no_hooks(), kNothing, kNothing}));
  add("in_list", call(build, {"]", integer(0), size, stride, kNo, no_hooks()}), "a tensor lies in a list");
  add("in_text", call(build, {text("0"), integer(0), size, stride, kNo, no_hooks()}));
  add("in_tensor", call(build, {tensor(), integer(0), size, stride, kNo, no_hooks()}));
  add("in_class", call(build, {global("torch", "FloatStorage"), integer(0), size, stride, kNo, no_hooks()}));
  add("offset_of_text", call(build, {storage(), text("0"), size, stride, kNo, no_hooks()}));
  add("gradient_of_text", call(build, {storage(), integer(0), size, stride, text("x"), no_hooks()}));
  add("hooks_of_list", call(build, {storage(), integer(0), size, stride, kNo, "]"}));
  add("hooks_with_entry", call(build, {storage(), integer(0), size, stride, kNo, dictionary({kYes, kYes})}), "hooks");
  const std::string typed = global("torch._utils", "_rebuild_tensor_v3");
  const std::string untyped =
      tuple({text("storage"), global("torch.storage", "UntypedStorage"), text("0"), text("cpu"), integer(16)}) + "Q";
  add("of_no_type", call(typed, {untyped, integer(0), size, stride, kNo, no_hooks(), text("float32")}));
  add("of_unknown_type", call(build, {untyped, integer(0), size, stride, kNo, no_hooks()}));
  add("of_wider_type", call(typed, {untyped, integer(0), size, stride, kNo, no_hooks(), global("torch", "float64")}));
}

void add_storages(HostileFiles& files) {
  const auto add = [&](const char* name, const std::string& value, const char* says) {
    files.push_back({"storage_"s + name, file_of(with(value)), Verdict::kRefuse, says});
  };
  for (const std::string& key : {"../x"s, "0/../0"s, ""s, std::string(300, '1'), "0\0"s, "-1"s, "/etc/passwd"s})
    add(("key_" + std::to_string(files.size())).c_str(), storage({.key = key}), "key");
  add("missing", storage({.key = "7"}), "missing");
  add("two_types", storage({.type = "IntStorage"}), "two types");
  add("two_lengths", storage({.count = 2}), "two types, lengths or places");
  add("two_places", storage({.location = "cuda:0"}), "two types, lengths or places");
  add("negative", storage({.key = "1", .count = -4}), "impossible length");
  add("wraps", storage({.key = "1", .count = 1ll << 62}), "impossible length");
  add("key_as_number",
      tuple({text("storage"), global("torch", "FloatStorage"), integer(0), text("cpu"), integer(4)}) + "Q",
      "no storage of torch's");
  add("of_function", tuple({text("storage"), global("_codecs", "encode"), text("0"), text("cpu"), integer(4)}) + "Q",
      "of the type");
  add("of_text", text("0") + "Q", "no storage of torch's");
  add("of_module", tuple({text("module"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(4)}) + "Q",
      "no storage of torch's");
  add("view",
      tuple({text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), integer(4),
             tuple({text("1"), integer(0), integer(4)})}) +
          "Q",
      "a view of another");
  for (const std::size_t bytes : {0, 12, 15, 20}) {
    std::string data = four_floats() + four_floats();
    data.resize(bytes);
    files.push_back({"storage_of_" + std::to_string(bytes) + "_bytes",
                     archive(parts_of(pickle(dictionary({text("w"), tensor()})), data)), Verdict::kRefuse,
                     "its pickle says 16"});
  }
}

void add_containers(HostileFiles& files) {
  const auto add = [&](const char* name, const std::string& value, const char* says,
                       Verdict verdict = Verdict::kRefuse) {
    files.push_back({"container_"s + name, file_of(with(value)), verdict, says});
  };
  add("list_as_key", dictionary({"]", kYes}), "as a key");
  add("tensor_as_key", dictionary({tensor(), kYes}), "as a key");
  add("class_as_key", dictionary({global("torch", "float32"), kYes}), "as a key");
  add("number_as_key", dictionary({integer(3), tensor()}), "", Verdict::kRead);
  add("key_twice", dictionary({text("a"), tensor(), text("a"), tensor()}), "", Verdict::kEither);
  add("odd_items", "}(" + text("a") + "u", "without a value");
  add("setitem_on_list", "]" + text("a") + kYes + "s", "a list");
  add("setitem_on_tuple", ")" + text("a") + kYes + "s", "a tuple");
  add("setitem_on_tensor", tensor() + text("a") + kYes + "s", "a tensor");
  add("setitem_on_none", "N" + text("a") + kYes + "s", "None");
  add("setitem_on_storage", storage() + text("a") + kYes + "s", "a storage");
  add("setitems_on_list", "](" + text("a") + kYes + "u", "a list");
  add("append_on_dictionary", "}" + text("a") + "a", "a dictionary");
  add("append_on_tuple", tuple({integer(4)}) + integer(4) + "a", "a tuple");
  add("appends_on_text", text("a") + "(" + text("b") + "e", "a text");
  add("additems_on_list", "](" + text("b") + "\x90", "a list");
  add("text_not_utf8", text("\xff\xfe"), "not UTF-8");
  add("text_with_surrogate", text("\xed\xa0\x80"), "not UTF-8");
  add("text_overlong", text("\xc0\xaf"), "not UTF-8");
}

/// What holds itself, and names.
void add_cycles_and_names(HostileFiles& files) {
  const auto add = [&](const char* name, const std::string& value, const char* says) {
    files.push_back({"container_"s + name, file_of(with(value)), Verdict::kRefuse, says});
  };
  add("holds_itself",
      "]q\x05h\x05"
      "a",
      "part of itself");
  add("dictionary_in_itself", "}q\x05" + text("a") + "h\x05s", "part of itself");
  const std::string linear = global("torch.nn.modules.linear", "Linear");
  add("modules_in_each_other",
      linear + ")\x81q\x05" +
          dictionary(
              {text("_parameters"), no_hooks(), text("_modules"),
               dictionary({text("b"), object(linear, dictionary({text("_parameters"), no_hooks(), text("_modules"),
                                                                 dictionary({text("a"), "h\x05"})}))})}) +
          "b",
      "part of itself");
  files.push_back({"container_model_around_itself",
                   file_of("}q\x05(" + text("w") + tensor() + text("model") + "h\x05u"), Verdict::kRefuse,
                   "part of itself"});
  files.push_back({"container_two_names",
                   file_of(dictionary({text("a.b"), tensor(), text("a"), dictionary({text("b"), tensor()})})),
                   Verdict::kRefuse, "two of its tensors"});
  for (const std::string& name : {"a\nb"s, "\x1b[2J"s, "a\0b"s,
                                  "\xc2\x9b"
                                  "2J"s})
    files.push_back({"container_control_" + std::to_string(files.size()), file_of(dictionary({text(name), tensor()})),
                     Verdict::kRefuse, "control characters"});
  files.push_back({"container_name_of_a_megabyte", file_of(dictionary({text(std::string(1 << 20, 'n')), tensor()})),
                   Verdict::kRefuse, "too long"});
  files.push_back(
      {"container_odd_name", file_of(dictionary({text("\xc3\xbc \xe2\x80\xae/../x"), tensor()})), Verdict::kRead, ""});
}

void add_stack_and_memo(HostileFiles& files) {
  const auto add = [&](const char* name, const std::string& whole, const char* says) {
    files.push_back({"stack_"s + name, archive(parts_of(whole)), Verdict::kRefuse, says});
  };
  const std::string good = dictionary({text("weight"), tensor()});
  add("empty_at_stop", "\x80\x02.", "there is none");
  add("two_at_stop", pickle(good + "N"), "more than one value");
  add("mark_at_stop", "\x80\x02(" + good + ".", "more than one value");
  add("no_mark", pickle("t"), "not begun");
  add("setitems_without_mark", pickle("}u"), "not begun");
  add("below_mark", pickle("N(\x85t"), "there is none");
  add("reduce_on_nothing", pickle("R"), "there is none");
  add("build_on_nothing", pickle("b"), "there is none");
  add("tuple3_of_two", pickle("NN\x87"), "there is none");
  add("memo_never_put", pickle("h\x09"), "never put");
  add("memo_far_never_put", pickle("j\xff\xff\xff\xff"), "never put");
  add("memo_put_far", pickle("Nr\xff\xff\xff\xff"), "memo entry 4,294,967,295");
  add("memo_of_nothing", pickle("q\x01"), "there is none");
  add("memoize_nothing", pickle("\x94", 4), "there is none");
  add("no_protocol", good + ".", "protocol 2 to 5");
  add("protocol_0", pickle(good, 0), "protocol 2 to 5");
  add("protocol_1", pickle(good, 1), "protocol 2 to 5");
  add("protocol_6", pickle(good, 6), "protocol 2 to 5");
  add("bytes_behind", pickle(good) + "N.", "behind its pickle");
  add("nothing", "", "ends in the middle");
  add("frame_too_long", pickle("\x95\xff\xff\xff\xff\xff\xff\xff\xff" + good, 4), "longer than the pickle");
  add("frame_negative", pickle("\x95\0\0\0\0\0\0\0\x80"s + good, 4), "longer than the pickle");
  add("text_of_4_gib", pickle("X\xff\xff\xff\xff" + good), "ends in the middle");
  add("bytes_of_2_gib", pickle("B\0\0\0\x80"s + good), "ends in the middle");
  add("long_cut", pickle("\x8a\xff"), "ends in the middle");
  add("name_without_end", pickle("ccollections"), "ends in the middle");
  const std::string whole = pickle(good);
  for (std::size_t length = 1; length < whole.size(); ++length)
    files.push_back({"cut_" + std::to_string(length), archive(parts_of(whole.substr(0, length))), Verdict::kRefuse,
                     length < 2 ? "" : "ends in the middle"});
}

}  // namespace

void add_hostile_values(HostileFiles& files) {
  add_views(files);
  add_tensors(files);
  add_storages(files);
  add_containers(files);
  add_cycles_and_names(files);
  add_stack_and_memo(files);
}

}  // namespace rtdetr::test
