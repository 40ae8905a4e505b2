#include <functional>

#include "tests/support/hostile/hostile_weights.h"
#include "tests/support/torch_files.h"

namespace rtdetr::test {
namespace {

using namespace std::string_literals;
using Verdict = HostileFile::Verdict;

constexpr std::uint32_t kLink = 0xA1FFu << 16, kFolder = 0x41EDu << 16, kDevice = 0x21B6u << 16, kFile = 0x81A4u << 16;

std::string good_pickle() { return pickle(dictionary({text("weight"), tensor()})); }
std::string bad_pickle() { return pickle(call(global("posix", "system"), {text("touch pwned")})); }
std::vector<ZipPart> parts() { return parts_of(good_pickle()); }

ZipPart part(const std::string& name, const std::string& data) {
  ZipPart made;
  made.name = name, made.data = data;
  return made;
}

void add(HostileFiles& files, const std::string& name, const std::string& bytes, const std::string& says,
         Verdict verdict = Verdict::kRefuse) {
  files.push_back({name, bytes, verdict, says});
}

/// One more entry beside those of a sound file.
void add_entries(HostileFiles& files) {
  const auto more = [&](const char* name, const ZipPart& extra, const char* says, Verdict verdict = Verdict::kRefuse) {
    std::vector<ZipPart> all = parts();
    all.push_back(extra);
    add(files, "entry_"s + name, archive(all), says, verdict);
  };
  more("pickle_twice", part("best/data.pkl", bad_pickle()), "two entries");
  more("pickle_in_other_folder", part("evil/data.pkl", bad_pickle()), "one folder");
  more("pickle_below", part("best/x/data.pkl", bad_pickle()), "", Verdict::kRead);
  more("pickle_in_capitals", part("best/DATA.PKL", bad_pickle()), "", Verdict::kRead);
  more("pickle_at_root", part("data.pkl", bad_pickle()), "one folder");
  more("storage_elsewhere", part("best/x/data/0", four_floats()), "", Verdict::kRead);
  more("absolute", part("/etc/passwd", "x"), "plain relative path");
  more("upwards", part("best/../../x", "x"), "plain relative path");
  more("dot", part("best/./x", "x"), "plain relative path");
  more("backslash", part("best\\x", "x"), "forbidden characters");
  more("nul", part("best/x\0y"s, "x"), "forbidden characters");
  more("not_utf8", part("best/\xff", "x"), "forbidden characters");
  more("folder", part("best/x/", ""), "plain relative path");
  more("nameless", part("", "x"), "empty or too long");
  more("long_name", part("best/" + std::string(2000, 'x'), "x"), "empty or too long");
  more("code", part("best/code/__torch__.py", "x"), "TorchScript");
  more("constants", part("best/constants.pkl", "x"), "TorchScript");
  std::vector<ZipPart> rootless = parts();
  for (ZipPart& each : rootless) each.name.erase(0, 5);
  add(files, "entry_no_folder", archive(rootless), "one folder");
  std::vector<ZipPart> empty;
  add(files, "entry_none", "PK\x03\x04" + archive(empty), "");
  add(files, "entry_without_pickle", archive({part("best/version", "3")}), "no 'data.pkl'");
}

/// A field of one entry that is not true.
void add_field(HostileFiles& files, const std::string& name, const std::function<void(ZipPart&)>& change,
               const char* says, std::size_t which = 2) {
  std::vector<ZipPart> all = parts();
  change(all[which]);
  add(files, "field_" + name, archive(all), says);
}

void add_directory_fields(HostileFiles& files) {
  for (const std::size_t which : {0, 1, 2, 3})
    add_field(
        files, "crc_" + std::to_string(which), [](ZipPart& p) { p.crc = 1; }, "CRC-32", which);
  for (const int method : {1, 8, 12, 14, 99})
    add_field(
        files, "method_" + std::to_string(method), [&](ZipPart& p) { p.method = method; }, "is compressed");
  add_field(
      files, "encrypted", [](ZipPart& p) { p.flags = 0x809; }, "encrypted");
  add_field(
      files, "patched", [](ZipPart& p) { p.flags = 0x828; }, "unknown flags");
  add_field(
      files, "masked", [](ZipPart& p) { p.flags = 0x2808; }, "unknown flags");
  add_field(
      files, "other_disk", [](ZipPart& p) { p.disk = 1; }, "another disk");
  add_field(
      files, "link", [](ZipPart& p) { p.attributes = kLink; }, "regular file");
  add_field(
      files, "folder", [](ZipPart& p) { p.attributes = kFolder; }, "regular file");
  add_field(
      files, "dos_folder", [](ZipPart& p) { p.attributes = 0x10; }, "regular file");
  add_field(
      files, "device", [](ZipPart& p) { p.attributes = kDevice; }, "regular file");
  add_field(
      files, "larger", [](ZipPart& p) { p.size = 4000000000u; }, "behind the end");
  add_field(
      files, "smaller", [](ZipPart& p) { p.size = 4; }, "");
  add_field(
      files, "two_sizes", [](ZipPart& p) { p.real_size = 4000000000u; }, "two sizes");
}

void add_local_fields(HostileFiles& files) {
  add_field(
      files, "local_name", [](ZipPart& p) { p.local_name = "best/data/1"; }, "another name or kind");
  add_field(
      files, "local_longer_name", [](ZipPart& p) { p.local_name = "best/data/00"; }, "another name or kind");
  add_field(
      files, "local_method", [](ZipPart& p) { p.local_method = 8; }, "another name or kind");
  add_field(
      files, "local_flags", [](ZipPart& p) { p.local_flags = 0x800; }, "another name or kind");
  add_field(
      files, "local_size", [](ZipPart& p) { p.local_size = 7; }, "another sum or size");
  add_field(
      files, "local_crc", [](ZipPart& p) { p.local_crc = 7; }, "another sum or size");
  add_field(
      files, "no_descriptor", [](ZipPart& p) { p.descriptor = false, p.flags = 0x808, p.local_size = 16; },
      "descriptor");
  add_field(
      files, "bytes_behind", [](ZipPart& p) { p.behind = "hidden"; }, "");
  add_field(
      files, "offset_behind_file", [](ZipPart& p) { p.offset = 1u << 30; }, "behind the end");
  add_field(
      files, "offset_of_another", [](ZipPart& p) { p.offset = 0; }, "another name or kind");
  add_field(
      files, "offset_off_by_one", [](ZipPart& p) { p.offset = 1; }, "does not lie where");
}

void add_zip64_fields(HostileFiles& files) {
  add_field(
      files, "extra_cut", [](ZipPart& p) { p.extra = "\1\0\x40\0"s; }, "extra field is longer");
  add_field(
      files, "extra_one_byte", [](ZipPart& p) { p.extra = "\1"; }, "extra field is longer");
  add_field(
      files, "zip64_missing", [](ZipPart& p) { p.size = 0xFFFFFFFF; }, "zip64 field is missing");
  add_field(
      files, "zip64_unasked", [](ZipPart& p) { p.extra = "\1\0\x08\0"s + std::string(8, '\1'); }, "too long");
  add_field(
      files, "zip64_short", [](ZipPart& p) { p.size = 0xFFFFFFFF, p.extra = "\1\0\x08\0"s + std::string(8, '\1'); },
      "too short");
  add_field(
      files, "zip64_two_sizes",
      [](ZipPart& p) { p.size = 0xFFFFFFFF, p.extra = "\1\0\x10\0"s + std::string(8, '\1') + std::string(8, '\2'); },
      "two sizes");
  add_field(
      files, "zip64_twice", [](ZipPart& p) { p.extra = "\1\0\0\0\1\0\0\0"s; }, "two zip64 fields");
  add_field(
      files, "zip64_huge", [](ZipPart& p) { p.size = 0xFFFFFFFF, p.extra = "\1\0\x10\0"s + std::string(16, '\x7f'); },
      "behind the end");
  std::vector<ZipPart> plain = parts();
  for (ZipPart& each : plain) each.descriptor = false, each.attributes = kFile;
  add(files, "field_plain_zip", archive(plain), "", Verdict::kRead);
}

/// Entries one inside the other: the second one is the first one's bytes.
void add_overlaps(HostileFiles& files) {
  const std::string inner = archive({part("best/data/1", four_floats())}, {.zip64 = false});
  const std::string local = inner.substr(0, inner.find("PK\x01\x02"));
  std::vector<ZipPart> quoting = parts();
  const std::string before = archive(quoting);
  quoting.push_back(part("best/quote", local));
  quoting.push_back(part("best/data/1", four_floats()));
  const std::string whole = archive(quoting);
  quoting.back().offset = static_cast<std::uint32_t>(whole.find(local));
  add(files, "overlap_quoted", archive(quoting), "its entry");
  std::vector<ZipPart> twice = parts();
  twice.push_back(part("best/data/0x", four_floats()));
  twice.back().offset = static_cast<std::uint32_t>(before.find("best/data/0") - 30);
  add(files, "overlap_same_bytes", archive(twice), "another name or kind");
  std::vector<ZipPart> hidden = parts();
  hidden[3].behind = local;
  add(files, "overlap_hidden_entry", archive(hidden), "descriptor");
}

void add_ends(HostileFiles& files) {
  const auto ended = [&](const char* name, const ZipEnd& end, const char* says, Verdict verdict = Verdict::kRefuse) {
    add(files, "end_"s + name, archive(parts(), end), says, verdict);
  };
  ended("old", {.zip64 = false}, "", Verdict::kRead);
  ended("comment", {.comment = "a comment"}, "end record");
  ended("comment_with_end", {.comment = archive({})}, "");
  ended("bytes_behind", {.behind = "x"}, "end record");
  ended("second_archive", {.behind = archive(parts_of(bad_pickle()))}, "");
  ended("count_less", {.count = 3}, "");
  ended("count_more", {.count = 5}, "");
  ended("count_huge", {.count = ~0ull, .old_count = 0xFFFF}, "more than 100,000 entries");
  ended("size_less", {.size = 46}, "something was put");
  ended("size_huge", {.size = ~0ull, .old_size = 0xFFFFFFFF}, "something was put");
  ended("offset_less", {.offset = 0}, "something was put");
  ended("offset_huge", {.offset = ~0ull, .old_offset = 0xFFFFFFFF}, "something was put");
  ended("old_differs", {.old_offset = 0}, "contradict");
  ended("old_count_differs", {.old_count = 3}, "contradict");
  ended("old_size_differs", {.old_size = 3}, "contradict");
  ended("disk", {.disk = 1}, "several parts");
  ended("record_elsewhere", {.record_at = 0}, "where its locator says");
  ended("record_at_itself", {.record_at = archive(parts()).size() - 42}, "where its locator says");
  ended("record_far", {.record_at = ~0ull}, "where its locator says");
  ended("gap", {.before_directory = "hidden"}, "");
  add(files, "end_in_front", "#!/bin/sh\ntouch pwned\n" + archive(parts()), "");
  add(files, "end_in_front_zip", "PK\x03\x04" + archive(parts()), "");
  const std::string whole = archive(parts());
  for (const std::size_t cut : {1, 10, 22, 42, 98, 200, 400, 600})
    if (cut < whole.size()) add(files, "end_cut_" + std::to_string(cut), whole.substr(0, whole.size() - cut), "");
}

void add_wrappings(HostileFiles& files) {
  const auto other_order = [](const std::string& order) {
    std::vector<ZipPart> all = parts();
    all[1].data = order;
    return archive(all);
  };
  add(files, "order_big", other_order("big"), "'big'");
  add(files, "order_long", other_order(std::string(5000, 'x')), "little-endian");
  add(files, "order_empty", other_order(""), "little-endian");
  const std::string header = R"({"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})";
  add(files, "wrapped_safetensors_then_zip",
      StreamText::integer_bytes(header.size()) + header + four_floats() + archive(parts()), "");
  add(files, "wrapped_empty", "", "");
  add(files, "wrapped_html", "<!DOCTYPE html><html><body>404</body></html>", "web page");
  add(files, "wrapped_lfs", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 4\n", "Git LFS");
  add(files, "wrapped_gzip", "\x1f\x8b\x08" + std::string(40, '\0'), "an archive");
  add(files, "wrapped_7z", "7z\xbc\xaf\x27\x1c" + std::string(40, '\0'), "an archive");
  std::string tar(512, '\0');
  tar.replace(0, 6, "pickle").replace(257, 5, "ustar");
  add(files, "wrapped_tar", tar, "an archive");
  add(files, "wrapped_zip_magic_alone", "PK\x03\x04", "");
  add(files, "wrapped_pickle_alone", good_pickle(), "none of torch.save's");
  add(files, "wrapped_bad_pickle_alone", bad_pickle(), "'posix system'");
}

StreamText sound_stream() {
  StreamText sound;
  sound.body = dictionary({text("weight"), tensor()});
  return sound;
}

void add_stream(HostileFiles& files, const std::string& name, const std::function<void(StreamText&)>& change,
                const char* says, Verdict verdict = Verdict::kRefuse) {
  StreamText parts = sound_stream();
  change(parts);
  add(files, "stream_" + name, stream(parts), says, verdict);
}

void add_stream_pickles(HostileFiles& files) {
  add_stream(
      files, "sound", [](StreamText&) {}, "", Verdict::kRead);
  add_stream(
      files, "magic", [](StreamText& s) { s.magic.back() = '\x1a'; }, "none of torch.save's");
  add_stream(
      files, "version", [](StreamText& s) { s.version = integer(1002); }, "unknown version");
  add_stream(
      files, "big_endian",
      [](StreamText& s) {
        s.system = dictionary({text("little_endian"), kNo});
      },
      "big-endian");
  add_stream(
      files, "no_order", [](StreamText& s) { s.system = dictionary({}); }, "which order");
  add_stream(
      files, "system_calls", [](StreamText& s) { s.system = call(global("posix", "system"), {text("touch pwned")}); },
      "'posix system'");
  add_stream(
      files, "keys_call", [](StreamText& s) { s.keys = call(global("posix", "system"), {text("touch pwned")}); },
      "'posix system'");
  add_stream(
      files, "object_calls", [](StreamText& s) { s.body = call(global("posix", "system"), {text("touch pwned")}); },
      "'posix system'");
  add_stream(
      files, "keys_no_list", [](StreamText& s) { s.keys = text("0"); }, "list of storages is none");
  add_stream(
      files, "keys_numbers", [](StreamText& s) { s.keys = list({integer(0)}); }, "without a name");
  add_stream(
      files, "keys_missing", [](StreamText& s) { s.keys = list({}); }, "lacks some");
  add_stream(
      files, "keys_doubled",
      [](StreamText& s) {
        s.keys = list({text("0"), text("0")});
      },
      "listed twice");
  add_stream(
      files, "keys_unknown", [](StreamText& s) { s.keys = list({text("1")}); }, "listed twice, or no tensor");
}

void add_stream_storages(HostileFiles& files) {
  const auto counted = [&](const char* name, std::uint64_t count) {
    add_stream(
        files, name, [&](StreamText& s) { s.storages = StreamText::integer_bytes(count) + four_floats(); }, "length");
  };
  counted("count_negative", ~0ull);
  counted("count_huge", 1ull << 60);
  counted("count_wraps", 1ull << 62);
  counted("count_less", 3);
  counted("count_in_bytes", 16);
  add_stream(
      files, "cut_values", [](StreamText& s) { s.storages.pop_back(); }, "cut off");
  add_stream(
      files, "cut_count", [](StreamText& s) { s.storages.resize(7); }, "cut off");
  add_stream(
      files, "cut_storages", [](StreamText& s) { s.storages.clear(); }, "cut off");
  add_stream(
      files, "bytes_behind", [](StreamText& s) { s.storages += "x"; }, "behind its last storage");
  add_stream(
      files, "huge_storage",
      [](StreamText& s) {
        s.body =
            dictionary({text("w"), tensor(storage({.count = 1ll << 40}), 0, tuple({integer(1)}), tuple({integer(1)}))});
        s.storages = StreamText::integer_bytes(1ull << 40) + four_floats();
      },
      "cut off");
}

}  // namespace

void add_hostile_containers(HostileFiles& files) {
  add_entries(files);
  add_directory_fields(files);
  add_local_fields(files);
  add_zip64_fields(files);
  add_overlaps(files);
  add_ends(files);
  add_wrappings(files);
  add_stream_pickles(files);
  add_stream_storages(files);
}

HostileFiles hostile_weights() {
  HostileFiles files;
  add_hostile_calls(files);
  add_hostile_values(files);
  add_hostile_containers(files);
  add_bombs(files);
  return files;
}

}  // namespace rtdetr::test
