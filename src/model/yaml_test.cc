#include "model/yaml.h"

#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>

namespace mesh {
namespace {

using ::testing::HasSubstr;

std::string as_json(std::string_view yaml) {
  const auto parsed = parse_yaml_document(yaml);
  return parsed ? print_json(*parsed) : "error: " + parsed.error().message();
}

TEST(Yaml, PlainScalarsGetTheTypesOfYaml11) {
  const std::pair<const char*, const char*> rows[] = {{"a: yes", R"({"a":true})"},
                                                      {"a: y", R"({"a":true})"},
                                                      {"a: off", R"({"a":false})"},
                                                      {"a: ~", R"({"a":null})"},
                                                      {"a:", R"({"a":null})"},
                                                      {"a: 0777", R"({"a":511})"},
                                                      {"a: 0o17", R"({"a":15})"},
                                                      {"a: 1_000", R"({"a":1000})"},
                                                      {"a: 0x1F", R"({"a":31})"},
                                                      {"a: .5", R"({"a":0.5})"},
                                                      {"a: 1.", R"({"a":1})"},
                                                      {"a: +1", R"({"a":1})"},
                                                      {"a: 1e3", R"({"a":1000})"},
                                                      {"a: 2001-01-01", R"({"a":"2001-01-01"})"},
                                                      {"a: 12:30", R"({"a":"12:30"})"},
                                                      {"a: 0b11", R"({"a":3})"},
                                                      {"a: -0x1", R"({"a":-1})"},
                                                      {"a: 08", R"({"a":8})"},
                                                      {"a: ++1", R"({"a":"++1"})"},
                                                      {"a: _1", R"({"a":"_1"})"},
                                                      {"a: .inf", R"({"a":".inf"})"},
                                                      {"a: 10.77.0.4", R"({"a":"10.77.0.4"})"},
                                                      {"a: 9223372036854775808", R"({"a":9223372036854775808})"},
                                                      {"a: -9223372036854775808", R"({"a":-9223372036854775808})"}};
  for (const auto& [yaml, json] : rows) EXPECT_EQ(as_json(yaml), json) << yaml;
}

TEST(Yaml, QuotedAndTaggedScalarsAreWhatTheySay) {
  EXPECT_EQ(as_json("a: 'yes'"), R"({"a":"yes"})");
  EXPECT_EQ(as_json("a: \"1\""), R"({"a":"1"})");
  EXPECT_EQ(as_json("a: !!str 1"), R"({"a":"1"})");
  EXPECT_EQ(as_json("a: !!int \"1\""), R"({"a":1})");
  EXPECT_EQ(as_json("a: !!binary aGVsbG8="), R"({"a":"hello"})");
  EXPECT_EQ(as_json("a: !foo x"), R"({"a":"x"})");
  EXPECT_THAT(as_json("b: 1\na: !!int x"), HasSubstr("line 2"));
}

TEST(Yaml, KeysBecomeText) {
  EXPECT_EQ(as_json("1: a\n0x10: b\ntrue: c\n1.50: d"), R"({"1":"a","16":"b","true":"c","1.5":"d"})");
  EXPECT_THAT(as_json("~: x"), HasSubstr("a key must be"));
  EXPECT_THAT(as_json("[1]: x"), HasSubstr("a key"));
}

TEST(Yaml, AnchorsAliasesAndMerges) {
  EXPECT_EQ(as_json("a: &x {b: 1}\nc: *x"), R"({"a":{"b":1},"c":{"b":1}})");
  EXPECT_EQ(as_json("a: {<<: {b: 1, c: 3}, c: 2}"), R"({"a":{"c":2,"b":1}})");
  EXPECT_EQ(as_json("base: &b {x: 1}\na:\n  <<: [*b, {z: 2}]\n"), R"({"base":{"x":1},"a":{"x":1,"z":2}})");
  EXPECT_THAT(as_json("a: &x [*x]"), HasSubstr("inside the value"));
}

TEST(Yaml, ReadsSeveralDocumentsAndSkipsEmptyOnes) {
  const auto documents = parse_yaml("---\na: 1\n---\n---\n# nothing\n---\nb: 2\n");
  ASSERT_TRUE(documents.has_value()) << documents.error().message();
  ASSERT_EQ(documents->size(), 2u);
  EXPECT_EQ(print_json((*documents)[1]), R"({"b":2})");
  EXPECT_EQ(parse_yaml(" \n")->size(), 0u);
}

TEST(Yaml, ReadsJsonWithItsEscapes) { EXPECT_EQ(as_json(R"({"a":"\ud83d\ude00\/"})"), "{\"a\":\"😀/\"}"); }

TEST(Yaml, NamesTheLineOfAMistake) {
  EXPECT_THAT(as_json("a: 1\nb: 2\na: 3"), HasSubstr("line 3: the key \"a\" stands twice"));
  EXPECT_THAT(as_json("a: 1\n b: 2: 3"), HasSubstr("line 2"));
  EXPECT_THAT(as_json("a: [1"), HasSubstr("not YAML"));
  EXPECT_THAT(as_json("a: \xff"), HasSubstr("UTF-8"));
}

TEST(Yaml, TextBetweenDocumentsIsAMistake) {
  EXPECT_THAT(as_json("%YAML 1.1\n\n  c\n- .\n---\n\"q\": a\n? k\n: r\n? k\n: r\n"), HasSubstr("error"));
  EXPECT_EQ(parse_yaml("a: 1\n...\nb: 2\n--- {c: 3}\n")->size(), 3u);
  EXPECT_EQ(as_json("\xef\xbb\xbf# mark\n--- {c: é}\n"), R"({"c":"é"})");
  EXPECT_THAT(as_json("a: 1\n- b\n"), HasSubstr("line 2"));
}

TEST(Yaml, AliasesThatExplodeAreStopped) {
  std::string bomb = "a: &a [x,x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c < 'k'; ++c) {
    bomb += fmt::format("{0}: &{0} [*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1},*{1}]\n", c, static_cast<char>(c - 1));
  }
  const auto parsed = parse_yaml(bomb);
  ASSERT_FALSE(parsed.has_value());
  EXPECT_EQ(parsed.error().kind, ErrorKind::TooLarge);
  EXPECT_THAT(parsed.error().message(), HasSubstr("aliases"));
}

TEST(Yaml, DepthAndSizeAreLimited) {
  EXPECT_EQ(parse_yaml("a: " + std::string(70, '[') + std::string(70, ']')).error().kind, ErrorKind::TooLarge);
  EXPECT_FALSE(parse_yaml(std::string(100'000, '[')).has_value());
  EXPECT_FALSE(parse_yaml(std::string(100'000, '{')).has_value());
  EXPECT_EQ(parse_yaml("a: 1", {.bytes = 3}).error().kind, ErrorKind::TooLarge);
}

TEST(Yaml, PrintsAsOtherToolsDo) {
  const auto value = parse_json(R"({"type":"X","a":"true","b":"x: y","c":"multi\nline\n","d":[],"e":{},"f":["a","1"],
    "g":[{"l":[2],"k":1}],"h":"#no","i":"- x","j":"","k":"10.77.0.4","l":"2026-11-23T20:59:12Z","m":1.5,"n":null,
    "q":"'x'","p":"a\tb","w":"two\nlines","t":[[1,2],[{"a":"b"}]],"z":"kuma.io/service","ab":"a #b","aa":"a:b","ae":"1h"})");
  EXPECT_EQ(print_yaml(*value), R"(a: "true"
aa: a:b
ab: 'a #b'
ae: 1h
b: 'x: y'
c: |
  multi
  line
d: []
e: {}
f:
- a
- "1"
g:
- k: 1
  l:
  - 2
h: '#no'
i: '- x'
j: ""
k: 10.77.0.4
l: "2026-11-23T20:59:12Z"
m: 1.5
"n": null
p: "a\tb"
q: '''x'''
t:
- - 1
  - 2
- - a: b
type: X
w: |-
  two
  lines
z: kuma.io/service
)");
}

TEST(Yaml, TextStaysUtf8WhateverIsEscaped) {
  EXPECT_EQ(parse_yaml_document(R"("\u0085\u00a0")").value(), boost::json::value("\xc2\x85\xc2\xa0"));
  for (const char* text : {R"(a: "\N")", R"("\_": 1)"}) {
    const auto parsed = parse_yaml_document(text);
    ASSERT_FALSE(parsed) << text;
    EXPECT_THAT(parsed.error().message(), testing::HasSubstr("line 1: the escapes"));
  }
}

TEST(Yaml, ReadsBackKeysThatAreTooLongForOneLine) {
  const std::string key(1100, 'k'), unprintable(300, '\x19');
  const boost::json::value value = {
      {"a", {{key, "v"}, {"z", boost::json::array{{{unprintable, {{"b", 1}}}, {"c", 2}}}}}}};
  const auto again = parse_yaml_document(print_yaml(value));
  ASSERT_TRUE(again) << again.error().message();
  EXPECT_EQ(*again, value);
}

TEST(Yaml, ReadsBackWhatItPrints) {
  const char* texts[] = {
      "a\n", "a\n\n", "\na", " a", "a ", "a\nb", "  x\n y", "\t",   "é",   "😀",   "%a",           "@",       "`",
      "? x", ":",     "a: ", "~",  "<<", "---",  "... x",   "0x1g", "1_0", "\x01", "a\rb",         "'",       "\"",
      "\\",  "*a",    "&a",  "!a", "|",  ">",    "key: [",  "-",    "-1",  "=",    "2001-01-01 1", "2001-\"x"};
  for (const char* text : texts) {
    const boost::json::value value = {{"k", text}, {text, boost::json::array{text}}};
    const std::string printed = print_yaml(value);
    const auto parsed = parse_yaml_document(printed);
    ASSERT_TRUE(parsed.has_value()) << printed << parsed.error().message();
    EXPECT_EQ(*parsed, value) << printed;
    EXPECT_EQ(parse_yaml_document(print_yaml(value.get_object().at("k"))).value(), value.get_object().at("k"));
  }
}

TEST(Json, ErrorsSayWhere) {
  const auto text = [](const char* json) { return parse_json(json).error().message(); };
  EXPECT_THAT(text("{\n \"a\": nope}"), HasSubstr("line 2"));
  EXPECT_THAT(text("{} x"), HasSubstr("line 1, column 4"));
  EXPECT_THAT(text("{\"a\":"), HasSubstr("end of the text"));
  EXPECT_THAT(text(""), HasSubstr("end of the text"));
  EXPECT_EQ(parse_json(std::string(100, '[')).error().kind, ErrorKind::TooLarge);
  EXPECT_EQ(parse_json("[1]", {.bytes = 2}).error().kind, ErrorKind::TooLarge);
}

TEST(Json, PrintsPlainNumbersAndIndents) {
  EXPECT_EQ(print_json(*parse_json(R"({"a":1.5,"b":[50.0,-2],"c":{}})"), 1),
            "{\n \"a\": 1.5,\n \"b\": [\n  50,\n  -2\n ],\n \"c\": {}\n}");
  EXPECT_EQ(print_json(*parse_json("-0.0")), "0");
}

}  // namespace
}  // namespace mesh
