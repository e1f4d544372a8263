#include "model/template.h"

#include <gmock/gmock.h>

namespace mesh {
namespace {

using ::testing::HasSubstr;

const std::map<std::string, std::string> kVariables = {
    {"name", "web-1"}, {"address", "10.0.0.1"}, {"odd", "{{ name }}"}};

std::string error_of(std::string_view text) { return render_template(text, kVariables).error().message(); }

TEST(Template, ReplacesPlaceholdersWithAndWithoutBlanks) {
  EXPECT_EQ(*render_template("n: {{ name }}\na: {{address}} {{{name}}} {{& name }}{{! nothing }}.", kVariables),
            "n: web-1\na: 10.0.0.1 web-1 web-1.");
}

TEST(Template, ValuesAreNotTemplates) { EXPECT_EQ(*render_template("{{ odd }}", kVariables), "{{ name }}"); }

TEST(Template, TextWithoutPlaceholdersStays) { EXPECT_EQ(*render_template("a { } } {b}", {}), "a { } } {b}"); }

TEST(Template, NamesEveryUnsetVariableWithItsLine) {
  const std::string error = error_of("a: 1\nb: {{ port }}\nc: {{ zone }}");
  EXPECT_THAT(error, HasSubstr("\"port\" (line 2)"));
  EXPECT_THAT(error, HasSubstr("\"zone\" (line 3)"));
  EXPECT_THAT(error, HasSubstr("address, name, odd"));
}

TEST(Template, RefusesWhatItCannotRender) {
  EXPECT_THAT(error_of("x\n{{ name"), HasSubstr("line 2"));
  EXPECT_THAT(error_of("{{ }}"), HasSubstr("names no variable"));
  EXPECT_THAT(error_of("{{#name}}x{{/name}}"), HasSubstr("not supported"));
}

}  // namespace
}  // namespace mesh
