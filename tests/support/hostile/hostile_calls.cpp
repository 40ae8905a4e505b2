#include "tests/support/hostile/hostile_weights.h"
#include "tests/support/torch_files.h"

namespace rtdetr::test {
namespace {

using namespace std::string_literals;
using Verdict = HostileFile::Verdict;

constexpr const char* kPayload = "touch pwned";

std::string weights() { return dictionary({text("weight"), tensor()}); }
std::string with(const std::string& value) { return dictionary({text("weight"), tensor(), text("x"), value}); }
std::string run(const std::string& module, const std::string& name) {
  return call(global(module, name), {text(kPayload)});
}

struct Name {
  const char *module, *name;
};

/// Callables that act, as attackers and scanners' test sets name them.
constexpr Name kActing[] = {
    {"os", "system"},
    {"posix", "system"},
    {"nt", "system"},
    {"os", "popen"},
    {"os", "execv"},
    {"os", "remove"},
    {"subprocess", "Popen"},
    {"subprocess", "call"},
    {"subprocess", "check_output"},
    {"subprocess", "run"},
    {"commands", "getoutput"},
    {"__builtin__", "eval"},
    {"builtins", "eval"},
    {"builtins", "exec"},
    {"builtins", "compile"},
    {"builtins", "__import__"},
    {"builtins", "open"},
    {"builtins", "print"},
    {"builtins", "apply"},
    {"builtins", "setattr"},
    {"builtins", "vars"},
    {"builtins", "globals"},
    {"importlib", "import_module"},
    {"runpy", "run_path"},
    {"runpy", "_run_code"},
    {"pty", "spawn"},
    {"socket", "socket"},
    {"socket", "create_connection"},
    {"http.client", "HTTPConnection"},
    {"urllib.request", "urlopen"},
    {"requests", "get"},
    {"webbrowser", "open"},
    {"shutil", "rmtree"},
    {"ctypes", "CDLL"},
    {"_ctypes", "dlopen"},
    {"pickle", "loads"},
    {"_pickle", "loads"},
    {"dill", "loads"},
    {"marshal", "loads"},
    {"types", "FunctionType"},
    {"types", "CodeType"},
    {"functools", "partial"},
    {"operator", "attrgetter"},
    {"operator", "methodcaller"},
    {"operator", "itemgetter"},
    {"copyreg", "_reconstructor"},
    {"copyreg", "__newobj__"},
    {"code", "InteractiveInterpreter"},
    {"timeit", "timeit"},
    {"cProfile", "run"},
    {"pdb", "run"},
    {"bdb", "Bdb"},
    {"doctest", "debug_script"},
    {"asyncio.unix_events", "_UnixSubprocessTransport"},
    {"multiprocessing.util", "spawnv_passfds"},
    {"pip", "main"},
    {"ensurepip", "_run_pip"},
    {"idlelib.run", "Executive"},
    {"lib2to3.pgen2.grammar", "Grammar"},
    {"logging.config", "listen"},
    {"zipfile", "ZipFile"},
    {"tempfile", "mktemp"},
    {"torch.hub", "load"},
    {"torch.hub", "load_state_dict_from_url"},
    {"torch.utils.collect_env", "run"},
    {"torch.serialization", "load"},
    {"torch.storage", "_load_from_bytes"},
    {"torch", "load"},
    {"torch.jit", "load"},
    {"torch._utils", "_rebuild_qtensor"},
    {"torch._utils", "_rebuild_sparse_tensor"},
    {"torch._utils", "_rebuild_meta_tensor_no_storage"},
    {"torch._utils", "_rebuild_device_tensor_from_numpy"},
    {"torch._tensor", "_rebuild_from_type_v2"},
    {"torch.distributed.rpc", "rpc_sync"},
    {"torch.utils._config_module", "ConfigModule"},
    {"torch.fx.experimental.symbolic_shapes", "ShapeEnv"},
    {"torch.nn.modules.module", "_addindent"},
    {"torch.nn.modules.module", "register_module_forward_hook"},
    {"torch.nn.modules", "os"},
    {"torch.nn.modules.linear.os", "System"},
    {"torch.nn", "Linear"},
    {"numpy.f2py.crackfortran", "getlincoef"},
    {"numpy.testing._private.utils", "runstring"},
    {"numpy", "load"},
    {"numpy.core.multiarray", "_reconstruct"},
    {"numpy", "ndarray"},
    {"ultralytics.utils.checks", "check_requirements"},
    {"ultralytics.nn.tasks", "torch_safe_load"},
    {"ultralytics.nn.tasks", "attempt_load_one_weight"},
    {"ultralytics.utils.downloads", "safe_download"},
    {"ultralytics", "RTDETR"},
    {"torch", "ComplexFloatStorage"},
    {"torch", "QInt8Storage"},
    {"torch", "float8_e4m3fn"},
    {"torch", "complex64"},
    {"_codecs", "decode"},
    {"codecs", "encode"},
    {"", ""},
    {"", "system"},
    {"os", ""},
};

void add_names(HostileFiles& files) {
  int number = 0;
  for (const Name& name : kActing) {
    files.push_back({"call_" + std::to_string(number++) + "_" + name.name, file_of(with(run(name.module, name.name))),
                     Verdict::kRefuse, "it names '"});
  }
  for (const char* where : {"key", "optimizer", "thrown_away", "memo", "metadata", "hooks", "first"}) {
    const std::string w = where, bad = run("posix", "system"), name = global("posix", "system");
    std::string body;
    if (w == "key") body = dictionary({bad, tensor()});
    if (w == "optimizer")
      body = dictionary({text("model"), weights(), text("optimizer"), dictionary({text("s"), bad})});
    if (w == "thrown_away") body = bad + "0" + weights();
    if (w == "memo") body = "(" + bad + "q\x07" + "1" + weights();
    if (w == "metadata") body = no_hooks() + dictionary({text("_metadata"), bad}) + "b";
    if (w == "first") body = bad;
    if (w == "hooks")
      body = with(
          call(global("torch._utils", "_rebuild_tensor_v2"),
               {storage(), integer(0), tuple({integer(4)}), tuple({integer(1)}), kNo, dictionary({integer(0), name})}));
    files.push_back({"system_as_" + w, file_of(body), Verdict::kRefuse, "'posix system'"});
  }
}

/// The other instructions that name or call something.
void add_instructions(HostileFiles& files) {
  const auto add = [&](const char* name, const std::string& body, const char* says) {
    files.push_back({"instruction_"s + name, file_of(body), Verdict::kRefuse, says});
  };
  add("inst", "(" + text(kPayload) + "iposix\nsystem\n", "INST");
  add("inst_without_arguments", "(iposix\nsystem\n", "INST");
  add("obj", "(" + global("posix", "system") + text(kPayload) + "o", "'posix system'");
  add("obj_of_known", "(" + global("torch.nn.modules.linear", "Linear") + "o", "OBJ");
  add("newobj", global("subprocess", "Popen") + tuple({text(kPayload)}) + "\x81", "'subprocess Popen'");
  add("newobj_of_function", global("torch._utils", "_rebuild_parameter") + ")\x81", "no class");
  add("newobj_of_text", text("posix.system") + ")\x81", "no class");
  add("newobj_of_list_arguments", global("torch.nn.modules.linear", "Linear") + "]\x81", "no tuple");
  add("newobj_ex", global("torch.nn.modules.linear", "Linear") + ")}\x92", "NEWOBJ_EX");
  add("ext1", "\x82\x01"s + ")R", "EXT1");
  add("ext2", "\x83\x01\x01"s + ")R", "EXT2");
  add("ext4", "\x84\x01\x01\x01\x01"s + ")R", "EXT4");
  add("persid", "P0\n", "PERSID");
  add("pop", weights() + "N0", "POP");
  add("pop_mark", weights() + "(N1", "POP_MARK");
  add("dup", weights() + "2", "DUP");
  add("get", "g0\n", "GET");
  add("put", weights() + "p0\n", "PUT");
  add("int", "I1\n", "INT");
  add("long", "L1L\n", "LONG");
  add("float", "F1.5\n", "FLOAT");
  add("string", "S'os'\n", "STRING");
  add("unicode", "Vos\n", "UNICODE");
  add("binstring", "T\2\0\0\0os"s, "BINSTRING");
  add("short_binstring", "U\2os"s, "SHORT_BINSTRING");
  add("long4", "\x8b\1\0\0\0\1"s, "LONG4");
  add("binunicode8", "\x8d\2\0\0\0\0\0\0\0os"s, "BINUNICODE8");
  add("binbytes8", "\x8e\2\0\0\0\0\0\0\0os"s, "BINBYTES8");
  add("bytearray8", "\x96\2\0\0\0\0\0\0\0os"s, "BYTEARRAY8");
  add("frozenset", "(\x91"s, "FROZENSET");
  add("next_buffer", "\x97"s, "NEXT_BUFFER");
  add("readonly_buffer", "\x98"s, "READONLY_BUFFER");
  add("list_mark", "(Nl"s, "LIST");
  add("dict_mark", "(NNd"s, "DICT");
  add("second_proto", "\x80\x02N"s, "PROTO");
  add("unknown", "\xff"s, "0xff");
}

std::string short_text(const std::string& words) { return "\x8c"s + static_cast<char>(words.size()) + words; }
std::string stack_global(const std::string& module, const std::string& name) { return module + name + "\x93"; }

/// Names put together on the stack, and names that look like known ones.
void add_disguises(HostileFiles& files) {
  const auto add = [&](const char* name, const std::string& body, const char* says) {
    files.push_back({"disguise_"s + name, archive(parts_of(pickle(body, 4))), Verdict::kRefuse, says});
  };
  const std::string posix = short_text("posix"), system = short_text("system"), arguments = tuple({text(kPayload)});
  add("stack_global", stack_global(posix, system) + arguments + "R", "'posix system'");
  add("from_memo", posix + "\x94" + system + "\x94" + "h\0h\1\x93"s + arguments + "R", "'posix system'");
  add("memo_overwritten",
      short_text("collections") + "q\0"s + posix + "q\0"s + "h\0"s + system + "\x93" + arguments + "R",
      "'posix system'");
  add("among_decoys", "(" + short_text("torch") + short_text("float32") + "t" + stack_global(posix, system),
      "'posix system'");
  add("number_as_name", short_text("torch") + "K\1\x93"s, "something else than texts");
  add("bytes_as_name", short_text("torch") + "C\6system\x93"s, "something else than texts");
  add("list_as_module", "]" + system + "\x93", "something else than texts");
  add("empty_name", stack_global(short_text("torch"), short_text("")), "it names");
  add("dots_globals", stack_global(short_text("torch._utils"), short_text("_rebuild_tensor_v2.__globals__")),
      "it names");
  add("dots_reduce", stack_global(short_text("collections"), short_text("OrderedDict.__reduce__")), "it names");
  add("dots_class", stack_global(short_text("torch.nn.modules.linear"), short_text("Linear.forward")), "it names");
  add("space_behind", stack_global(short_text("collections"), short_text("OrderedDict ")), "it names");
  add("space_between", global("collections OrderedDict", "x"), "it names");
  add("carriage_return", global("collections", "OrderedDict\r"), "it names");
  add("nul", stack_global(short_text("collections"), short_text("OrderedDict\0"s)), "it names");
  add("capitals", global("collections", "ORDEREDDICT"), "it names");
  add("look_alike", stack_global(short_text("collections"), short_text("OrderedDi\xd1\x81t")), "it names");
  add("torch_parent", global("torch.nn.modules..os", "System"), "it names");
  add("torch_prefix", global("torch.nn.modulesx.os", "System"), "it names");
  add("long_name", stack_global(short_text("collections"), text("OrderedDict" + std::string(100'000, 'x'))),
      "it names");
  add("terminal", stack_global(short_text("os"), short_text("\x1b]0;pwned\x07")), "\\x1b]0;pwned\\x07");
}

/// Known names, used as they never are.
void add_misuse(HostileFiles& files, const char* name, const std::string& body, const char* says) {
  files.push_back({"misuse_"s + name, file_of(with(body)), Verdict::kRefuse, says});
}

std::string linear() { return global("torch.nn.modules.linear", "Linear"); }
std::string module() { return object(linear(), dictionary({text("_parameters"), no_hooks()})); }

void add_misused_calls(HostileFiles& files) {
  const std::string getattr = global("__builtin__", "getattr");
  add_misuse(files, "getattr_class", call(getattr, {module(), text("__class__")}), "getattr");
  add_misuse(files, "getattr_globals", call(getattr, {module(), text("__globals__")}), "getattr");
  add_misuse(files, "getattr_of_name", call(getattr, {linear(), text("forward")}), "getattr");
  add_misuse(files, "getattr_of_function", call(getattr, {global("_codecs", "encode"), text("forward")}), "getattr");
  add_misuse(files, "getattr_twice", call(getattr, {call(getattr, {module(), text("forward")}), text("forward")}),
             "getattr");
  add_misuse(files, "getattr_default", call(getattr, {module(), text("forward"), kNothing}), "getattr");
  add_misuse(files, "method_called", call(call(getattr, {module(), text("forward")}), {text(kPayload)}),
             "it calls a method");
  add_misuse(files, "module_called", call(module(), {text(kPayload)}), "it calls an object");
  add_misuse(files, "text_called", call(text("posix.system"), {text(kPayload)}), "it calls a text");
  add_misuse(files, "storage_called", call(global("torch", "FloatStorage"), {text(kPayload)}), "only name");
  add_misuse(files, "type_called", call(global("torch", "float32"), {text(kPayload)}), "only name");
  add_misuse(files, "factory_called", call(global("builtins", "dict"), {text(kPayload)}), "only name");
  add_misuse(files, "arguments_as_list", global("collections", "OrderedDict") + "]R", "no tuple");
  add_misuse(files, "encode_zlib", call(global("_codecs", "encode"), {text("x"), text("zlib")}), "latin1");
  add_misuse(files, "encode_rot13", call(global("_codecs", "encode"), {text("x"), text("rot13")}), "latin1");
  add_misuse(files, "encode_bytes", call(global("_codecs", "encode"), {"C\1x", text("latin1")}), "latin1");
}

void add_misused_builds(HostileFiles& files) {
  add_misuse(files, "build_slots", linear() + ")\x81" + tuple({kNothing, dictionary({})}) + "b", "attributes");
  add_misuse(files, "build_class_key", object(linear(), dictionary({text("__class__"), linear()})), "__class__");
  add_misuse(files, "build_dict_key", object(linear(), dictionary({text("__dict__"), no_hooks()})), "__dict__");
  add_misuse(files, "build_setstate", object(linear(), dictionary({text("__setstate__"), linear()})), "__setstate__");
  add_misuse(files, "build_number_key", object(linear(), dictionary({integer(1), linear()})), "attribute");
  add_misuse(files, "build_twice", module() + dictionary({text("a"), kYes}) + "b", "twice");
  add_misuse(files, "build_tensor", tensor() + dictionary({text("a"), kYes}) + "b", "a tensor");
  add_misuse(files, "build_number", integer(4) + dictionary({text("a"), kYes}) + "b", "an integer");
  add_misuse(files, "build_class", linear() + dictionary({text("a"), kYes}) + "b", "the name of a class");
  add_misuse(files, "build_dictionary", no_hooks() + dictionary({text("a"), kYes}) + "b", "_metadata");
  add_misuse(files, "build_dictionary_more", no_hooks() + dictionary({text("_metadata"), kYes, text("a"), kYes}) + "b",
             "_metadata");
  add_misuse(files, "build_state_is_name", linear() + ")\x81" + global("torch.nn.modules.conv", "Conv2d") + "b",
             "attributes");
  add_misuse(files, "build_state_is_object", linear() + ")\x81" + module() + "b", "attributes");
  add_misuse(files, "build_state_is_tensor", linear() + ")\x81" + tensor() + "b", "attributes");
  add_misuse(files, "build_dictionary_of_name", no_hooks() + linear() + "b", "_metadata");
  add_misuse(files, "arguments_as_name", global("collections", "OrderedDict") + linear() + "R", "no tuple");
  add_misuse(files, "storage_of_name", linear() + "Q", "no storage of torch's");
  add_misuse(files, "pairs_of_names",
             call(global("collections", "OrderedDict"), {list({linear(), linear(), linear()})}), "pairs");
  add_misuse(files, "hooks_of_name",
             call(global("torch._utils", "_rebuild_tensor_v2"),
                  {storage(), integer(0), tuple({integer(4)}), tuple({integer(1)}), kNo, linear()}),
             "hooks");
  add_misuse(files, "build_list", "]" + dictionary({text("a"), kYes}) + "b", "a list");
  add_misuse(files, "scalar_without_type", call(global("numpy.core.multiarray", "scalar"), {text("f8"), text("x")}),
             "NumPy");
  add_misuse(files, "size_of_list", call(global("torch", "Size"), {list({integer(1)})}), "torch.Size");
  add_misuse(files, "set_of_text", call(global("builtins", "set"), {text("x")}), "a set");
  add_misuse(files, "dictionary_of_text", call(global("collections", "OrderedDict"), {text("x")}), "a dictionary");
  add_misuse(files, "dictionary_of_triples",
             call(global("collections", "OrderedDict"), {list({tuple({kYes, kYes, kYes})})}), "pairs");
  add_misuse(files, "parameter_of_text",
             call(global("torch._utils", "_rebuild_parameter"), {text("x"), kYes, no_hooks()}), "parameter");
}

}  // namespace

void add_hostile_calls(HostileFiles& files) {
  add_names(files);
  add_instructions(files);
  add_disguises(files);
  add_misused_calls(files);
  add_misused_builds(files);
}

}  // namespace rtdetr::test
