// Kinds for the tests of stores: a mesh, something that lies in it with a spec of every shape, and something global.
#pragma once

#include <boost/json/value.hpp>

#include <string>

#include "model/kind.h"
#include "model/resource.h"

namespace mesh::contract {

extern const Kind kMesh;    // named "Mesh": what lies in a mesh is owned by it
extern const Kind kWidget;  // Scope::Mesh
extern const Kind kGadget;  // Scope::Global

struct TestSpec {
  std::string color;  // must not be empty
  boost::json::value extra;

  friend bool operator==(const TestSpec&, const TestSpec&) = default;
};

KindRegistry test_registry();

ResourceKey mesh_key(std::string name);
ResourceKey widget_key(std::string mesh, std::string name);
ResourceKey gadget_key(std::string name);
Resource make_resource(ResourceKey key, TestSpec spec = {.color = "red", .extra = nullptr});

}  // namespace mesh::contract
