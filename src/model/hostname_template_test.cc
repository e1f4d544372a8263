#include "model/hostname_template.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mesh {
namespace {

using testing::HasSubstr;

std::string rendered(std::string_view text, const std::map<std::string, std::string>& labels = {}) {
  const Result<HostnameTemplate> parsed = HostnameTemplate::parse(text);
  if (!parsed) return parsed.error().text;
  const Result<std::string> out = parsed->render(
      {.name = "kv-1", .display_name = "kv", .namespace_ = "ns", .mesh = "prod", .zone = "east", .labels = &labels});
  return out ? *out : out.error().text;
}

TEST(HostnameTemplate, FillsInWhatAServiceIs) {
  EXPECT_EQ(rendered("{{ .DisplayName }}.svc.mesh.local"), "kv.svc.mesh.local");
  EXPECT_EQ(rendered("{{.Name}}.{{.Namespace}}.{{.Mesh}}.{{.Zone}}"), "kv-1.ns.prod.east");
  EXPECT_EQ(rendered("plain.local"), "plain.local");
}

TEST(HostnameTemplate, AsksLabels) {
  EXPECT_EQ(rendered(R"({{ label "team" }}.local)", {{"team", "store"}}), "store.local");
  EXPECT_EQ(rendered("{{label `team`}}.local", {{"team", "store"}}), "store.local");
  EXPECT_EQ(rendered(R"({{ label "team" }}.local)"), "label team not found");
}

TEST(HostnameTemplate, TakesBlanksAwayWhereAskedTo) {
  EXPECT_EQ(rendered("a.\n  {{- .Zone -}}  \n.b{{/* a comment */}}"), "a.east.b");
}

TEST(HostnameTemplate, SaysWhatItDoesNotKnow) {
  EXPECT_THAT(rendered("{{ .Bad }}.local"), HasSubstr("\"{{ .Bad }}\" is not known"));
  EXPECT_THAT(rendered("{{ .Name"), HasSubstr("has no \"}}\""));
  EXPECT_THAT(rendered("{{ .Name | upper }}.local"), HasSubstr("is not known"));
  EXPECT_THAT(rendered(R"({{ label "a" "b" }}.local)"), HasSubstr("is not known"));
  EXPECT_THAT(rendered("{{}}"), HasSubstr("is not known"));
}

TEST(HostnameTemplate, RefusesWhatIsNoName) {
  for (const char* text :
       {".svc.mesh.local", "{{ .Name }}..local", "{{ .Name }}_x.local", "{{ .Name }}.LOCAL", "a-.b", ""})
    EXPECT_THAT(rendered(text), HasSubstr("not a valid DNS name")) << text;
  EXPECT_TRUE(check_hostname_template("{{ .Name }}.{{ label \"x\" }}.mesh"));
  EXPECT_FALSE(check_hostname_template("{{ .Name }}.MESH"));
}

}  // namespace
}  // namespace mesh
