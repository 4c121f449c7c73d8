;; Says what something costs, as price-1 and price-2 do, by a later version of the interface, which has one more function.
(component
  (core module $module
    (func (export "price") (result i32) i32.const 3)
    (func (export "discount") (result i32) i32.const 1))
  (core instance $inside (instantiate $module))
  (func $price (result u32) (canon lift (core func $inside "price")))
  (func $discount (result u32) (canon lift (core func $inside "discount")))
  (instance $tag (export "price" (func $price)) (export "discount" (func $discount)))
  (export "demo:shop/tag@1.2.0" (instance $tag)))
