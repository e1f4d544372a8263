# Envoy's API, as generated C++. Placeholder until the fetch and generation rules stand.
add_library(envoy_protos INTERFACE)
target_link_libraries(envoy_protos INTERFACE protobuf::libprotobuf)
